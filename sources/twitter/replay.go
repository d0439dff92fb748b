package twitter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"goflume/internal/retry"
)

// replay reads recorded posts from a file, once, and then waits for the stop. An error of the file is retried by the agent.
func (s *Source) replay(ctx context.Context, b *batch) error {
	defer b.last(ctx)
	f, err := os.Open(s.s.Replay)
	if err != nil {
		return fmt.Errorf("replay posts: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	next := time.Now()
	for posts := 0; ; posts++ {
		line, err := readLine(r)
		if err == io.EOF {
			if err := b.deliver(ctx); err != nil {
				return nil
			}
			s.env.Log.Info("The replay is at its end", "source", s.env.Name, "file", s.s.Replay, "posts", posts)
			<-ctx.Done()
			return nil
		}
		if err != nil {
			return fmt.Errorf("replay posts from %s: %w", s.s.Replay, err)
		}
		if s.s.ReplayRate > 0 {
			if b.posts > 0 && next.After(b.due) {
				if b.deliver(ctx) != nil {
					return nil
				}
			}
			if retry.Sleep(ctx, time.Until(next)) != nil {
				return nil
			}
			next = next.Add(time.Duration(float64(time.Second) / s.s.ReplayRate))
		}
		if err := b.line(ctx, line); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if !errors.As(err, new(disconnected)) {
				return err
			}
		}
	}
}
