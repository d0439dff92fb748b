package event

import "sync/atomic"

// Chunk is memory that bodies are cut from and that is used again once nobody refers to them: to write where nothing was
// written before costs a source more than all else that it does with a line. It is counted how many hold the chunk. Who
// makes it is the first; whoever keeps bodies that lie in it, such as a batch or a channel, holds it as long as that, and who
// cannot tell how long holds it for good. A chunk that is forgotten goes to the garbage collector.
type Chunk struct {
	Bytes []byte
	users atomic.Int32
	free  func(*Chunk)
}

// NewChunk returns a chunk that the caller holds. free is called when nobody holds it any more, from any goroutine; it may
// let somebody Hold it again.
func NewChunk(bytes []byte, free func(*Chunk)) *Chunk {
	c := &Chunk{Bytes: bytes, free: free}
	c.Hold()
	return c
}

// Hold adds one to those who hold the chunk. The caller knows of another one that holds it meanwhile, or got it from free.
func (c *Chunk) Hold() { c.users.Add(1) }

// Release takes one off. Who held it reads nothing that lies in it any more.
func (c *Chunk) Release() {
	switch n := c.users.Add(-1); {
	case n > 0:
	case n == 0:
		if poison {
			for i := range c.Bytes {
				c.Bytes[i] = '#'
			}
		}
		c.free(c)
	default:
		panic("event: a chunk was released more often than it was held")
	}
}
