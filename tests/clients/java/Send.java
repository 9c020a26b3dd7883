import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;

/** Sends one event in each of HTTP's modes with CloudEvents' SDK for Java and the JDK's own client: Send.java url. */
public class Send {
  public static void main(String[] arguments) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    for (String mode : new String[] {"binary", "structured"}) {
      CloudEvent event =
          CloudEventBuilder.v1()
              .withId("java-" + mode)
              .withSource(URI.create("/clients/java"))
              .withType("java." + mode)
              .withSubject(mode.equals("binary") ? "Mueller 100%" : "Müller 100%")
              .withTime(OffsetDateTime.parse("2026-03-01T10:00:00.123Z"))
              .withData(
                  "application/json",
                  "{\"tokens\":1432.5,\"model\":\"größer\"}".getBytes(StandardCharsets.UTF_8))
              .build();
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(arguments[0])).header("Prefer", "wait=20").expectContinue(true);
      MessageWriter<?, ?> writer =
          HttpMessageFactory.createWriter(
              request::header, body -> request.POST(HttpRequest.BodyPublishers.ofByteArray(body)));
      if (mode.equals("binary")) writer.writeBinary(event);
      else writer.writeStructured(event, new JsonFormat());
      HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
      System.out.println(mode + " " + answer.statusCode() + " " + answer.body());
      if (answer.statusCode() >= 300) System.exit(1);
    }
  }
}
