package api

import (
	"strings"

	"github.com/mileusna/useragent"
)

// device names what somebody signed in with, as far as the user agent tells:
// "Firefox", "Linux". What is not known is "".
func device(userAgent string) (browser, system string) {
	if userAgent == "" {
		return "", ""
	}
	// The parser's time grows with the parts of what it reads.
	ua := useragent.Parse(userAgent[:min(len(userAgent), maxAgent)])
	browser, system = ua.Name, ua.OS
	switch browser {
	case useragent.HeadlessChrome:
		browser = useragent.Chrome
	case useragent.MobileSafari:
		browser = useragent.Safari
	}
	// The parser gives what it does not know as it came.
	if len(browser) > maxDevice {
		browser = ""
	}
	if len(system) > maxDevice {
		system = ""
	}
	// The cut may have gone through a character.
	return strings.ToValidUTF8(browser, ""), strings.ToValidUTF8(system, "")
}

// maxAgent is how much of a user agent is looked at, in bytes.
const maxAgent = 256

// maxDevice is how long a name can be that is shown as one.
const maxDevice = 40

// appendDevice writes "device":…,"browser":…,"os":….
func appendDevice(b []byte, userAgent string) []byte {
	browser, system := device(userAgent)
	name := browser
	switch {
	case browser == "":
		name = system
	case system != "":
		name += " on " + system
	}
	b = append(b, `"device":`...)
	b = appendString(b, name)
	b = append(b, `,"browser":`...)
	b = appendString(b, browser)
	b = append(b, `,"os":`...)
	return appendString(b, system)
}
