package test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"goflume/test/service"
)

// example returns the text of a configuration of the folder examples.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The posts of the replay go over Kafka into OpenSearch by the two examples as they stand.
func TestRealTwitterOverKafkaIntoOpenSearch(t *testing.T) {
	search := service.Shared(t, service.OpenSearch{})
	kafka := service.Shared(t, service.Kafka{Brokers: 1})
	tweets, err := filepath.Abs("../examples/tweets.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(search.URL)
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"TWEETS=" + tweets, "KAFKA=" + kafka.Bootstrap(), "ELASTICSEARCH=" + at.Host}
	service.Start(t, service.Agent{Conf: example(t, "twitter-kafka.conf"), Agent: "producer", Env: env})
	service.Start(t, service.Agent{Conf: example(t, "kafka-elasticsearch.conf"), Agent: "consumer", Env: env})

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// 200 posts of 15 s each from 10:00 on, in the index of their day.
	err = service.Await(ctx, "200 documents", func(ctx context.Context) error {
		if _, err := search.Do(ctx, "POST", "/tweets-2026-11-20/_refresh", "", nil); err != nil {
			return err
		}
		if n := count(t, search, "/tweets-2026-11-20/_count"); n != 200 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, search, "/tweets-2026-11-20/_count?q=%40message.user.screen_name:ada"); n == 0 {
		t.Error("no post of a user that posts is found by a search")
	}
}
