package fileroll

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"goflume/internal/vfs"
	"goflume/sinks/serializer"
)

// output is the file that is written to.
type output struct {
	name       string
	file       vfs.File
	size       int64 // of whole batches
	serializer serializer.Serializer
}

// start starts the next file. It never takes one that is there already.
func (s *Sink) start(now time.Time) error {
	for {
		name := filepath.Join(s.settings.Directory, s.names.next(now))
		f, err := s.fs.Create(name)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil && s.settings.Sync != "none" {
			if err = s.fs.SyncDir(s.settings.Directory); err != nil {
				f.Close()
			}
		}
		if err != nil {
			s.counters.ConnectionFailed.Add(1)
			return err
		}
		s.counters.ConnectionCreated.Add(1)
		s.writing.Set(1)
		s.current = &output{name: name, file: f, serializer: s.format.File()}
		return nil
	}
}

// finish syncs and closes the current file. After an error the file is closed all the same.
func (s *Sink) finish() error {
	o := s.current
	if o == nil {
		return nil
	}
	s.current = nil
	s.writing.Set(0)
	var err error
	if s.settings.Sync == "roll" {
		err = o.file.Datasync()
	}
	if err = errors.Join(err, o.file.Close()); err != nil {
		s.counters.ConnectionFailed.Add(1)
		return fmt.Errorf("finishing %s, whose last events may not be on the disk: %w", o.name, err)
	}
	s.counters.ConnectionClosed.Add(1)
	return nil
}

// restore cuts off what a failed batch left in the current file. A file that cannot be cut, or whose serializer cannot go
// on in the middle, is finished as it is.
func (s *Sink) restore() error {
	o := s.current
	if err := o.file.Truncate(o.size); err != nil {
		return errors.Join(fmt.Errorf("cutting off a part of a batch, which comes again in the next file: %w", err), s.finish())
	}
	if o.size > 0 && !s.format.Reopens() {
		return s.finish()
	}
	o.serializer = s.format.File()
	return nil
}

// abandon closes the current file after a failed sync: a second one would succeed without having written what the first
// could not. The batch comes again in the next file.
func (s *Sink) abandon() {
	s.current.file.Truncate(s.current.size)
	s.current.file.Close()
	s.current = nil
	s.writing.Set(0)
	s.counters.ConnectionFailed.Add(1)
}

// makeDirectory makes the directory with its parents and their names durable.
func (s *Sink) makeDirectory() error {
	var missing []string
	for dir := s.settings.Directory; ; dir = filepath.Dir(dir) {
		if _, err := s.fs.List(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		missing = append(missing, dir)
	}
	if err := s.fs.MkdirAll(s.settings.Directory); err != nil {
		return err
	}
	if s.settings.Sync == "none" {
		return nil
	}
	for _, dir := range missing {
		if err := s.fs.SyncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}
