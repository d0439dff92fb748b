package file

// absence is how many bytes may be put while nobody takes until frames are not kept in memory any more: where a destination
// is down they would fill the cache and fall out of it again.
const absence = 4 << 20

// cacheLocked keeps the frames of a commit that was published in memory for a taker that is close behind. Where none is, the
// lane lets go of all that it has: what was put is read from the files then.
func (c *Channel) cacheLocked(l *lane, seg *segment, cm *commit) {
	if len(c.open) > 0 || c.avail != nil {
		c.alone = 0
	}
	c.alone += cm.size
	for i := range cm.frames {
		f := &cm.frames[i]
		b := block{pos{seg.id, f.at}, pos{seg.id, f.end}, f.header, f.payload(), f.mem}
		if c.alone <= absence && c.cached+b.footprint() <= c.set.CacheBytes && c.closeLocked(l, b.end) {
			l.cache = append(l.cache, b)
			c.cached += b.footprint()
			continue
		}
		c.dropCacheLocked(l)
		l.spilled = b.end
		b.mem.release()
	}
}

// closeLocked tells whether reading has come so near to end that what is put there need not be read from the file.
func (c *Channel) closeLocked(l *lane, end pos) bool {
	return !l.cur.before(l.spilled) || l.cur.seg == end.seg && end.off-l.cur.off <= c.set.CacheBytes/2
}

// dropCacheLocked empties the lane's cache. It is too much to be used again soon and left to the garbage collector.
func (c *Channel) dropCacheLocked(l *lane) {
	for i := range l.cache {
		c.cached -= l.cache[i].footprint()
	}
	clear(l.cache)
	l.cache = l.cache[:0]
}
