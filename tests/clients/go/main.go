// Sends one event in each of HTTP's modes with CloudEvents' SDK for Go: main <url>.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
)

func main() {
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	modes := map[string]func(context.Context) context.Context{
		"binary":     binding.WithForceBinary,
		"structured": binding.WithForceStructured,
	}
	for mode, in := range modes {
		event := cloudevents.NewEvent()
		event.SetID("go-" + mode)
		event.SetSource("/clients/go")
		event.SetType("go." + mode)
		event.SetSubject("Müller 100%")
		event.SetTime(time.Date(2026, 3, 1, 10, 0, 0, 123000000, time.UTC))
		if err := event.SetData(cloudevents.ApplicationJSON, map[string]any{"tokens": 1432.5, "model": "größer"}); err != nil {
			log.Fatal(err)
		}
		if result := client.Send(in(context.Background()), event); !cloudevents.IsACK(result) {
			log.Fatal(result)
		}
		fmt.Println(mode, "sent")
	}
}
