package hdfs

import (
	"goflume/conf"
	"goflume/internal/registry"
	"goflume/sinks/serializer"
)

// checkFormat blames a key for what does not go together.
func (s Settings) checkFormat() error {
	if s.FileType != "DataStream" {
		return conf.Errorf("hdfs.fileType", "%s is not there yet: write `hdfs.fileType = DataStream`", s.FileType)
	}
	if s.Codec != "" {
		return conf.Errorf("hdfs.codeC", "%q has no effect on a DataStream: write `hdfs.fileType = CompressedStream`, or take it out", s.Codec)
	}
	return nil
}

// format returns what makes a file's bytes, and what its name ends in if nothing else is configured.
func (s Settings) format(env registry.Env) (f serializer.Format, suffix string, err error) {
	if err := s.checkFormat(); err != nil {
		return nil, "", err
	}
	f, err = s.Serializer.Build(env)
	return f, "", err
}
