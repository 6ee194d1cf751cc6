package api

import "github.com/mileusna/useragent"

// device names what somebody signed in with, as far as the user agent tells:
// "Firefox", "Linux". What is not known is "".
func device(userAgent string) (browser, system string) {
	if userAgent == "" {
		return "", ""
	}
	ua := useragent.Parse(userAgent)
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
	return browser, system
}

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
