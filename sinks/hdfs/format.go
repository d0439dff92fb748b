package hdfs

import (
	"fmt"
	"strconv"
	"time"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/codec"
	"goflume/internal/escape"
	"goflume/internal/registry"
	"goflume/internal/seqfile"
	"goflume/sinks/serializer"
)

// checkFormat blames a key for what does not go together.
func (s Settings) checkFormat() error {
	c, err := codec.Lookup(s.Codec)
	switch {
	case err != nil:
		return conf.Errorf("hdfs.codeC", "%v", err)
	case c != nil && s.FileType == "DataStream":
		return conf.Errorf("hdfs.codeC", "%s has no effect on a DataStream: write `hdfs.fileType = CompressedStream`, or take it out", s.Codec)
	case c == nil && s.FileType == "CompressedStream":
		return conf.Errorf("hdfs.fileType", "a CompressedStream needs `hdfs.codeC`, such as gzip")
	}
	return nil
}

// format returns what makes a file's bytes, and what its name ends in if nothing else is configured.
func (s Settings) format(env registry.Env) (f serializer.Format, suffix string, err error) {
	c, err := codec.Lookup(s.Codec)
	if err != nil {
		return nil, "", err
	}
	if c != nil {
		suffix = c.Extension
		if _, err := c.New(); err != nil {
			return nil, "", fmt.Errorf("codec %s: %w", s.Codec, err)
		}
	}
	if s.FileType == "SequenceFile" {
		return sequences{s.WriteFormat == "Text", c}, suffix, nil
	}
	inner, err := s.Serializer.Build(env)
	if err != nil || c == nil {
		return inner, suffix, err
	}
	return streams{inner, c}, suffix, nil
}

// sequences are SequenceFiles: the event's timestamp, or the time, is the key and its body the value.
type sequences struct {
	text  bool
	codec *codec.Codec
}

func (f sequences) Reopens() bool { return false }

func (f sequences) File() serializer.Serializer {
	w, err := seqfile.New(f.text, f.codec)
	if err != nil {
		panic("hdfs: a codec that worked before does not: " + err.Error())
	}
	return &sequence{w: w}
}

type sequence struct {
	w   *seqfile.Writer
	raw string // the last timestamp
	key int64  // that it is
}

func (s *sequence) Begin(dst []byte, _ *event.Event) ([]byte, error) {
	return s.w.AppendHeader(dst), nil
}

func (s *sequence) Append(dst []byte, e *event.Event) ([]byte, error) {
	raw, ok := e.Header("timestamp")
	if !ok {
		return s.w.Append(dst, time.Now().UnixMilli(), e.Body)
	}
	if raw != s.raw || raw == "" {
		ms, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			return dst, fmt.Errorf("%w %.40q is no number, so no key of a SequenceFile", escape.ErrTimestamp, raw)
		}
		s.raw, s.key = raw, ms
	}
	return s.w.Append(dst, s.key, e.Body)
}

func (s *sequence) Flush(dst []byte) ([]byte, error) { return s.w.Flush(dst) }

// streams are files of a serializer's bytes, compressed; each batch is a stream of its own, so that it is whole.
type streams struct {
	inner serializer.Format
	codec *codec.Codec
}

func (f streams) Reopens() bool { return f.inner.Reopens() }

func (f streams) File() serializer.Serializer {
	z, err := f.codec.New()
	if err != nil {
		panic("hdfs: a codec that worked before does not: " + err.Error())
	}
	return &compressed{inner: f.inner.File(), z: z}
}

type compressed struct {
	inner serializer.Serializer
	z     codec.Compressor
	raw   []byte // of the batch
}

func (c *compressed) Begin(dst []byte, first *event.Event) (_ []byte, err error) {
	c.raw, err = c.inner.Begin(c.raw, first)
	return dst, err
}

func (c *compressed) Append(dst []byte, e *event.Event) (_ []byte, err error) {
	c.raw, err = c.inner.Append(c.raw, e)
	return dst, err
}

func (c *compressed) Flush(dst []byte) (_ []byte, err error) {
	if c.raw, err = c.inner.Flush(c.raw); err != nil || len(c.raw) == 0 {
		return dst, err
	}
	dst, err = c.z.Append(dst, c.raw)
	if c.raw = c.raw[:0]; cap(c.raw) > bufferMax {
		c.raw = nil
	}
	return dst, err
}
