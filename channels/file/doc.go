// Package file is the file channel: a queue on disk. A Put that returned nil is on stable storage, and so is a Commit.
//
// # How it works
//
// Events go to lanes, two per data directory, each a log of its own with one segment file open for appending. A
// transaction is one frame. Those who commit at the same time share one write and one fdatasync: the first does it, the
// others wait. The second lane takes acknowledgements, and events where the first has a large group to write. Segments
// are written with zeros before they are used, and used again when everything in them was delivered, so that a sync
// writes data and no file system journal. An acknowledgement is a frame too; it names the sequence numbers that were
// delivered, so that memory and restart do not depend on how much is queued.
//
// A checkpoint holds which numbers are done, where reading and writing of each lane have come to, and the segments. The
// two files of checkpointDir are written in turn, in place. A file is used again when neither knows it. On a full disk
// acknowledgements are made durable by a checkpoint, so that draining needs no room.
//
// After a failed write or sync a segment is never touched again (its pages are marked clean, the next sync would lie);
// the frames, still in memory, go to another one. At a restart the end of the log is judged by what later frames promise:
// damage below a promise is set aside under quarantine/ and counted, an unfinished write behind it is dropped.
//
// Damage in the very last group of writes before a crash cannot be told from an unfinished write.
//
// # The format, version 1
//
// Numbers are little-endian; uv is an unsigned varint (encoding/binary). CRC is CRC-32C. Sequence numbers count events
// from 0 and are never used twice.
//
// A segment, dataDir/seg-NNNNNNNN.fq (the number is the file's, the header has the segment's):
//
//	0     8  "GOFLUMEQ"
//	8     4  version, 1
//	12    4  0
//	16   16  UUID of the channel
//	32    8  id of the segment: rises, never used twice
//	40    8  bytes reserved for the file
//	48    1  cipher: 0 none, 1 AES-256-GCM
//	49    1  length of the key's alias
//	50   64  the alias, filled with 0
//	114  16  salt
//	130 378  0
//	508   4  CRC of bytes 0 to 507
//	2048     a copy of bytes 0 to 511
//	4096     frames, one behind the other
//
// A frame, at a multiple of 8. One that does not carry the segment's id is left from the file's earlier use:
//
//	0     4  CRC of bytes 4 to 63
//	4     4  CRC of the payload with its padding
//	8     4  length of the payload without padding
//	12    1  type: 1 put, 2 acknowledge, 3 link, 4 seal
//	13    1  flags: 1 the transaction goes on in the next frame, 2 the payload is encrypted
//	14    2  lane
//	16    8  id of the segment
//	24    8  promise: the segment was on stable storage up to this offset when the frame was written
//	32    8  sequence number of the first event
//	40    4  number of events
//	44    4  ordinal of the frame in its segment
//	48    8  Unix milliseconds when it was written
//	56    8  bytes of the bodies put or acknowledged
//	64       payload, padded with 0 to a multiple of 8
//
// Payloads:
//
//	put          per event: uv headers, per header {uv length, name, uv length, value}, uv length, body
//	acknowledge  spans: uv count, per span {uv gap to the end of the one before, uv length}
//	link         first in a segment: 8 id of the lane's segment before this one, 0 for none; 8 offset where that one ends
//	seal         behind the last frame: spans of the events here, uv bytes of their bodies, uv floor and spans that were
//	             done (everything below floor is)
//
// Of an encrypted put the payload is AES-256-GCM over the events: key HKDF-SHA256(master key, salt, "goflume file channel
// segment " UUID id), nonce the ordinal in 4 bytes and 8 zeros, additional data the frame's header with promise, length
// and both checksums 0.
//
// A checkpoint, checkpointDir/ckpt-0.fqc and ckpt-1.fqc, the one with the higher generation counts:
//
//	0     8  "GOFLUMEC"
//	8     4  version, 1
//	12    4  length of what follows byte 24
//	16    4  CRC of all but these four bytes
//	20    4  0
//	24   16  UUID of the channel
//	40       uv: generation, 1 if the channel was closed, next sequence number, newest segment id, size of the next segment,
//	         bytes of the bodies queued, floor; spans done above floor; spans given out and not on disk yet;
//	         uv lanes, per lane uv {id of its newest segment, segment and offset up to which this checkpoint knows it,
//	         ordinal of the next frame there, segment and offset from which on events may have to be delivered};
//	         uv segments, per segment uv {id, lane, flags 1 closed 2 poisoned 4 sealed, end, first number, number behind the
//	         last one, bytes of the bodies}
//
// Locks are in_use.lock in every directory, Flume's name, with fcntl as Flume's JVM does.
package file
