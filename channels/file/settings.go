package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"goflume/channels"
	"goflume/conf"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

// Settings of the file channel.
type Settings struct {
	// Directory of the checkpoints, which make a restart quick. Made with its parents.
	CheckpointDir string `conf:"checkpointDir"`
	// Keep a copy of the checkpoints in backupCheckpointDir. Two of them are kept in checkpointDir in any case.
	UseDualCheckpoints bool `conf:"useDualCheckpoints"`
	// Directory of the copy; must not be checkpointDir.
	BackupCheckpointDir string `conf:"backupCheckpointDir"`
	// Without effect: the copy is a few kilobytes.
	CompressBackupCheckpoint bool `conf:"compressBackupCheckpoint"`
	// Directories of the events, separated by commas. On different disks they share the load.
	DataDirs []string `conf:"dataDirs" sep:","`

	// Most events in the channel, those being delivered included.
	Capacity int `conf:"capacity" min:"1"`
	// Most events of one transaction.
	TransactionCapacity int `conf:"transactionCapacity" min:"1"`
	// Most bytes of event bodies in the channel; 0 for no limit.
	ByteCapacity int64 `conf:"byteCapacity" min:"0"`
	// How long a put waits for room.
	KeepAlive time.Duration `conf:"keep-alive" unit:"s" min:"0"`

	// Time between checkpoints; more are made as the log grows.
	CheckpointInterval time.Duration `conf:"checkpointInterval" unit:"ms" min:"1"`
	// Make a checkpoint when the channel is closed, so that the next start has nothing to read.
	CheckpointOnClose bool `conf:"checkpointOnClose"`
	// Most bytes of a log file. Files start smaller and grow with the queue to this, or to 256 MiB where this is more; as long
	// as sinks keep up, to 64 MiB.
	MaxFileSize int64 `conf:"maxFileSize" min:"65536"`
	// Free bytes below which no events are taken in. Delivery goes on also on a full disk.
	MinimumRequiredSpace int64 `conf:"minimumRequiredSpace" min:"0"`
	// Memory for events that were just put, so that a sink that keeps up does not read the disk, in bytes.
	CacheBytes int64 `conf:"cacheBytes" min:"0"`

	// A put is answered once its events are on stable storage. Without, a power cut costs the last fsyncInterval.
	FsyncPerTransaction bool `conf:"fsyncPerTransaction"`
	// Time between syncs where fsyncPerTransaction is false.
	FsyncInterval time.Duration `conf:"fsyncInterval" unit:"s" min:"1"`
	// Longest that a sync waits for transactions which are about to come.
	FsyncMaxDelay time.Duration `conf:"fsyncMaxDelay" unit:"ms" min:"0"`
	// What to do where the disk gives back other bytes than were written, or for a minute cannot read a place while it can
	// what lies behind: quarantine sets the bytes aside, counts the events and goes on; halt stops delivery until somebody
	// looks.
	OnCorruption string `conf:"onCorruption" enum:"quarantine|halt"`

	// Without effect: there is one kind of replay.
	UseLogReplayV1 bool `conf:"use-log-replay-v1"`
	// Without effect: every replay is fast.
	UseFastReplay bool `conf:"use-fast-replay"`

	// Alias of the key that new log files are encrypted with.
	EncryptionActiveKey string `conf:"encryption.activeKey"`
	// Accepted for Flume's sake; the cipher is AES-256-GCM.
	EncryptionCipherProvider string `conf:"encryption.cipherProvider"`
	// Where keys come from: JCEKSFILE, a Java key store made by keytool -genseckey -storetype JCEKS, or KEYFILE, a file
	// per key.
	EncryptionKeyProvider string `conf:"encryption.keyProvider"`
	// Aliases of the keys, separated by blanks, under `keys`. For JCEKSFILE the store's name under `keyStoreFile`, the
	// file with its password under `keyStorePasswordFile`, and under `keys.ALIAS.passwordFile` that of a key which has one
	// of its own. For KEYFILE under `keys.ALIAS.keyFile` the file with 32 bytes, raw, hexadecimal or base64.
	EncryptionKeys map[string]string `conf:"encryption.keyProvider.*"`
}

// maxFileSizeFlume is what Flume's default is and what it cuts larger values to.
const maxFileSizeFlume = 1623195647

func defaults() Settings {
	return Settings{
		CheckpointDir: "~/.flume/file-channel/checkpoint", DataDirs: []string{"~/.flume/file-channel/data"},
		Capacity: 1000000, TransactionCapacity: 10000, KeepAlive: 3 * time.Second,
		CheckpointInterval: 30 * time.Second, CheckpointOnClose: true, MaxFileSize: maxFileSizeFlume,
		MinimumRequiredSpace: 524288000, CacheBytes: 64 << 20,
		FsyncPerTransaction: true, FsyncInterval: 5 * time.Second, FsyncMaxDelay: 100 * time.Microsecond,
		OnCorruption: "quarantine",
	}
}

func init() {
	registry.Add(channels.Registry, "file", []string{"org.apache.flume.channel.file.FileChannel"}, defaults(), New)
}

// Validate finds what contradicts itself.
func (s Settings) Validate() error {
	var errs []error
	add := func(key, format string, args ...any) { errs = append(errs, conf.Errorf(key, format, args...)) }
	if s.TransactionCapacity > s.Capacity {
		add("transactionCapacity", "File Channel transaction capacity cannot be greater than the capacity of the channel.")
	}
	if s.UseDualCheckpoints && s.BackupCheckpointDir == "" {
		add("useDualCheckpoints", "Dual checkpointing is enabled, but the backup directory is not set. Please set backupCheckpointDir to enable dual checkpointing")
	}
	if s.BackupCheckpointDir != "" && expand(s.BackupCheckpointDir) == expand(s.CheckpointDir) {
		add("backupCheckpointDir", "must not be checkpointDir")
	}
	if len(s.dataDirs()) == 0 {
		add("dataDirs", "names no directory")
	}
	seen := map[string]bool{}
	for _, d := range s.dataDirs() {
		if seen[d] {
			add("dataDirs", "%s is named twice", d)
		}
		seen[d] = true
	}
	return errors.Join(append(errs, s.validateKeys())...)
}

func (s *Settings) dataDirs() []string {
	var dirs []string
	for _, d := range s.DataDirs {
		if d = strings.TrimSpace(d); d != "" {
			dirs = append(dirs, expand(d))
		}
	}
	return dirs
}

// expand replaces a leading ~ by the home directory and cleans the path.
func expand(name string) string {
	if rest, ok := strings.CutPrefix(name, "~"); ok && (rest == "" || rest[0] == '/') {
		if home, err := os.UserHomeDir(); err == nil {
			name = home + rest
		}
	}
	return filepath.Clean(name)
}

// New makes the channel; the disk is touched by Open.
func New(env registry.Env, s Settings) (channels.Channel, error) {
	return newChannel(env, s, vfs.OS{}), nil
}

// Sizes of log files: the first of a channel, so that an idle one takes little room; what they soon have, so that a sink that
// keeps up empties few and their use again begins early; and the largest, for a queue that fills many.
const (
	firstSegment = 16 << 20
	usualSegment = 64 << 20
	maxSegment   = 256 << 20

	// longQueue is how many files of the present size a lane may fill before they grow beyond usualSegment. Where a sink keeps
	// up there are three: the one that is written, and two that wait for the next checkpoint.
	longQueue = 4
)

func (s *Settings) segmentSize() int64 { return min(s.MaxFileSize, maxSegment) &^ 7 }
