package escape

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // a static binary brings its zones along
)

// oldZones are the three-letter names of Java that the zone database does not have.
var oldZones = map[string]string{
	"ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires", "ART": "Africa/Cairo",
	"AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka", "CAT": "Africa/Harare",
	"CNT": "America/St_Johns", "CST": "America/Chicago", "CTT": "Asia/Shanghai", "EAT": "Africa/Addis_Ababa",
	"ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo",
	"MIT": "Pacific/Apia", "NET": "Asia/Yerevan", "NST": "Pacific/Auckland", "PLT": "Asia/Karachi",
	"PNT": "America/Phoenix", "PRT": "America/Puerto_Rico", "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal",
	"VST": "Asia/Ho_Chi_Minh",
}

var offsetZone = regexp.MustCompile(`^GMT([+-])(\d{1,2})(?::?(\d{2}))?$`)

// Zone returns the time zone of a Java TimeZone id: a name of the zone database, an old three-letter one, or GMT+hh:mm.
// An empty id is the machine's zone. Java takes an unknown id for GMT; here it is an error.
func Zone(id string) (*time.Location, error) {
	if m := offsetZone.FindStringSubmatch(id); m != nil {
		h, _ := strconv.Atoi(m[2])
		min, _ := strconv.Atoi("0" + m[3])
		if h > 23 || min > 59 {
			return nil, fmt.Errorf("time zone %q: the offset must be at most 23:59", id)
		}
		offset := h*3600 + min*60
		if m[1] == "-" {
			offset = -offset
		}
		return time.FixedZone(id, offset), nil
	}
	if full, ok := oldZones[id]; ok {
		id = full
	}
	switch id {
	case "":
		return time.Local, nil
	case "Local":
		return nil, fmt.Errorf("time zone %q is unknown", id)
	}
	loc, err := time.LoadLocation(id)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is unknown: write a name such as Europe/Berlin or GMT+08:00", id)
	}
	return loc, nil
}
