package test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"goflume/test/service"
)

// The posts of the replay go over Kafka into OpenSearch by the two examples as they stand.
func TestRealTwitterOverKafkaIntoOpenSearch(t *testing.T) {
	search := service.Shared(t, service.OpenSearch{})
	kafka := service.Shared(t, service.Kafka{})
	tweets, err := filepath.Abs("../examples/tweets.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	at := places{kafka: kafka, search: search, more: []string{"TWEETS=" + tweets}}
	startExample(t, "twitter-kafka.conf", "producer", at)
	startExample(t, "kafka-elasticsearch.conf", "consumer", at)

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
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
