package serializer

import (
	"goflume/conf"
	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "AVRO_EVENT", []string{"org.apache.flume.serialization.FlumeEventAvroEventSerializer$Builder"},
		AvroSettings{SyncIntervalBytes: 2048000, CompressionCodec: "null"}, newAvroEvent)
}

// AvroSettings of the AVRO_EVENT serializer, which writes Avro files of events with their headers.
type AvroSettings struct {
	// Bytes of data after which a block ends; it also ends with each batch of the sink.
	SyncIntervalBytes int `conf:"syncIntervalBytes" min:"32" max:"1073741824"`
	// How blocks are compressed.
	CompressionCodec string `conf:"compressionCodec" enum:"null|deflate|snappy|bzip2|xz|zstandard"`
}

// eventSchema is that of Flume's FlumeEventAvroEventSerializer, to the letter.
const eventSchema = `{"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}`

// avroEvent writes Avro files of events with their headers.
type avroEvent struct{ s AvroSettings }

func newAvroEvent(_ registry.Env, s AvroSettings) (Format, error) {
	if _, err := avro.NewContainer(eventSchema, s.CompressionCodec, s.SyncIntervalBytes); err != nil {
		return nil, conf.Errorf("compressionCodec", "%v", err)
	}
	return avroEvent{s}, nil
}

func (a avroEvent) Reopens() bool { return false }

func (a avroEvent) File() Serializer { return &avroEventFile{s: a.s} }

type avroEventFile struct {
	s    AvroSettings
	file *avro.Container
}

func (f *avroEventFile) Begin(dst []byte, _ *event.Event) ([]byte, error) {
	file, err := avro.NewContainer(eventSchema, f.s.CompressionCodec, f.s.SyncIntervalBytes)
	if err != nil {
		return dst, err
	}
	f.file = file
	return file.AppendHeader(dst), nil
}

func (f *avroEventFile) Append(dst []byte, e *event.Event) ([]byte, error) {
	return f.file.AppendEvent(dst, e)
}

func (f *avroEventFile) Flush(dst []byte) ([]byte, error) { return f.file.AppendBlock(dst) }
