import { Link } from 'wouter-preact';
import type { IngestedEvent, Meter } from '../../api/queries.ts';
import { linkTo } from '../../app/search.ts';
import { may, session } from '../../app/session.ts';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, CodeBlock, Time } from '../../ui/parts.tsx';

/** For a new installation: three steps, each with the curl to copy; they are ticked off as they happen. */
export function FirstSteps({ newest, meters }: { newest: IngestedEvent | undefined; meters: Meter[] }) {
  const key = session.value?.auth === 'keys' ? ` -H "Authorization: Bearer $API_KEY"` : '';
  const { origin } = location;
  const type = newest?.event.type ?? 'prompt';
  const meter = meters.find(({ eventType }) => eventType === type) ?? meters[0];
  return (
    <Card title="Three steps to a first answer">
      <ol class="steps">
        <li class={newest ? 'done' : ''}>
          <h3>Send an event</h3>
          {newest ? (
            <p class="soft" data-testid="first-event">
              The newest one came <Time at={newest.ingestedAt} />: type{' '}
              <Badge kind="accent">{oneLine(newest.event.type)}</Badge> of{' '}
              <span class="strong">{oneLine(newest.event.subject)}</span>. <Link href="/events">See it</Link>
            </p>
          ) : (
            <div class="stack tight">
              <p class="soft row">
                <Badge kind="info">
                  <i class="dot live" /> waiting for the first event
                </Badge>
                {may.ingest.value && (
                  <Link class="button small primary" href="/send">
                    <Icon name="send" /> Send one from this page
                  </Link>
                )}
              </p>
              <CodeBlock label="curl that sends an event" code={sendCurl(origin, key)} />
            </div>
          )}
        </li>
        <li class={meter ? 'done' : ''}>
          <h3>Say what to measure</h3>
          {meter ? (
            <p class="soft">
              The meter <span class="strong">{meter.slug}</span> measures {oneLine(meter.eventType)}.
            </p>
          ) : (
            <div class="stack tight">
              <p class="soft">
                A meter covers the events stored before it.{' '}
                {may.admin.value && (
                  <Link
                    class="button small primary"
                    href={linkTo('/meters/new', { type: newest ? type : undefined })}
                  >
                    <Icon name="plus" /> Create a meter
                  </Link>
                )}
              </p>
              <CodeBlock label="curl that makes a meter" code={meterCurl(origin, key)} />
            </div>
          )}
        </li>
        <li>
          <h3>Ask</h3>
          {meter && newest ? (
            <p>
              <Link class="button small primary" href={linkTo('/explore', { meter: meter.slug })}>
                <Icon name="explore" /> See its chart
              </Link>
            </p>
          ) : (
            <CodeBlock
              label="curl that asks for usage"
              code={`curl '${origin}/api/v1/meters/${meter?.slug ?? 'tokens'}/query?windowSize=DAY&groupBy=model'${key}`}
            />
          )}
        </li>
      </ol>
    </Card>
  );
}

function sendCurl(origin: string, key: string): string {
  return `curl -i ${origin}/api/v1/events${key} -H 'Content-Type: application/cloudevents+json' -d '{
  "specversion": "1.0", "id": "req-1", "source": "my-app", "type": "prompt", "subject": "customer-1",
  "data": {"tokens": 1432, "model": "large"}}'`;
}

function meterCurl(origin: string, key: string): string {
  return `curl ${origin}/api/v1/meters${key} -H 'Content-Type: application/json' -d '{
  "slug": "tokens", "eventType": "prompt", "aggregation": "SUM",
  "valueProperty": "$.tokens", "groupBy": {"model": "$.model"}}'`;
}
