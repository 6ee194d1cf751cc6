package breach

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Which addresses are dialled: those of the Internet, those of a private network
// where that is allowed, and of this machine where it is meant.
//
// ASVS 13.2.4
func TestReach(t *testing.T) {
	for address, want := range map[string]string{
		"104.16.1.1": "public private", "8.8.8.8": "public private", "2606:4700::1": "public private", "64:ff9b::808:808": "public private",
		"2002:808:808::1": "public private",

		"10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private", "100.64.0.1": "private",
		"fc00::1": "private", "fd12:3456::1": "private", "::ffff:10.0.0.1": "private", "64:ff9b::a00:1": "private", "2002:a00:1::1": "private",

		"127.0.0.1": "local", "127.255.255.254": "local", "::1": "local", "::ffff:127.0.0.1": "local", "::ffff:7f00:1": "local",

		"0.0.0.0": "", "0.1.2.3": "", "::": "", "169.254.169.254": "", "::ffff:169.254.169.254": "", "100.100.100.200": "", "fd00:ec2::254": "",
		"fe80::1": "", "fe80::1%eth0": "", "fec0::1": "", "224.0.0.1": "", "ff02::1": "", "255.255.255.255": "", "240.0.0.1": "",
		"192.0.2.1": "", "198.51.100.1": "", "203.0.113.1": "", "198.18.0.1": "", "2001:db8::1": "", "2001::1": "", "::127.0.0.1": "",
		"64:ff9b::7f00:1": "", "64:ff9b::a9fe:a9fe": "", "64:ff9b:1::1": "", "2002:7f00:1::1": "", "2002:a9fe:a9fe::1": "", "100::1": "",
	} {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, r := range []reach{public, private, local} {
			if r.allows(ip) {
				got = append(got, []string{"public", "private", "local"}[i])
			}
			err := r.control(t.Context(), "tcp4", netip.AddrPortFrom(ip, 443).String(), nil)
			if (err == nil) != r.allows(ip) {
				t.Errorf("%s is dialled: %v", address, err)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", address, s, want)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "localhost:80", "/run/socket"} {
		if err := local.control(t.Context(), "tcp", address, nil); err == nil {
			t.Errorf("%q is dialled", address)
		}
	}
	if err := local.control(t.Context(), "udp", "127.0.0.1:53", nil); err == nil {
		t.Error("by UDP")
	}
}

// Addresses that no start may take.
//
// ASVS 13.2.4
// LESSON 37
func TestHostileRangeURLs(t *testing.T) {
	for s, want := range map[string]string{ // alone, and with range_private
		"https://api.pwnedpasswords.com/range/": "yes yes", "https://hibp.internal:8443/": "yes yes", "https://104.16.1.1/": "yes yes",
		"https://localhost/": "yes yes", "http://localhost:8080/": "yes yes", "http://127.0.0.1/": "yes yes", "http://[::1]/": "yes yes",
		"https://1.1.1.1.example.com/": "yes yes", "https://10.example/": "yes yes",
		"https://10.0.0.7/range": "no yes", "https://192.168.1.1/": "no yes", "https://[fd12::1]/": "no yes", "https://[::ffff:10.0.0.7]/": "no yes",
		"http://10.0.0.7/": "no no", "http://hibp.internal/": "no no", "http://api.pwnedpasswords.com/": "no no", "http://localhost.example.com/": "no no",
		"https://169.254.169.254/latest/": "no no", "http://169.254.169.254/": "no no", "https://[::ffff:169.254.169.254]/": "no no",
		"https://[fe80::1]/": "no no", "https://[fe80::1%25eth0]/": "no no", "https://0.0.0.0/": "no no", "https://[::]/": "no no",
		"https://2130706433/": "no no", "https://0x7f000001/": "no no", "https://0x7f.1/": "no no", "https://017700000001/": "no no",
		"https://127.1/": "no no", "https://127.0.0.1./": "no no", "https://10.0.7/": "no no", "https://[64:ff9b::7f00:1]/": "no no",
		"https://100.100.100.200/": "no no", "https://255.255.255.255/": "no no", "https://224.0.0.1/": "no no",
		"file:///etc/passwd": "no no", "gopher://127.0.0.1/": "no no", "https://:443/": "no no", "https://user@api.example.com/": "no no",
		"https://api.example.com/?": "no no", "https://api.example.com\\@127.0.0.1/": "no no", "https://api.example.com/#@127.0.0.1": "no no",
		" https://api.example.com/": "no no", "https://api.example.com/\r\nX: y": "no no", "//127.0.0.1/": "no no", "": "no no",
	} {
		var got []string
		for _, allow := range []bool{false, true} {
			word := "yes"
			if CheckRangeURL(s, allow) != nil {
				word = "no"
			}
			got = append(got, word)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%q: %s, want %s (%v)", s, g, want, CheckRangeURL(s, true))
		}
	}
}

// names answers DNS over UDP: every name has the addresses, one after the other.
func names(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			// The question ends with a zero, its type and its class.
			end := 12
			for end < n && b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5
			if end > n {
				continue
			}
			kind := binary.BigEndian.Uint16(b[end-4:])
			answer := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end]...)
			ip := netip.MustParseAddr(addresses[asked%len(addresses)])
			if want := map[bool]uint16{true: 1, false: 28}[ip.Is4()]; kind == want {
				asked++
				answer[7] = 1
				raw := ip.AsSlice()
				answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
				answer = append(answer, raw...)
			}
			_, _ = pc.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// A name that leads into this machine or its network is not followed, whatever
// it led to when the server started.
//
// ASVS 13.2.4
func TestRebinding(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(list))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Config.ConnState = func(net.Conn, http.ConnState) { reached.Add(1) }
	server.StartTLS()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "10.0.0.1", "64:ff9b::7f00:1", "fe80::1", "192.168.0.1",
	} {
		t.Run(address, func(t *testing.T) {
			c, log := checker(t, "https://range.example.com:"+port, true)
			c.ranges.dialer.Resolver = names(t, address)
			reported, err := c.Reported(t.Context(), breached)
			if reported || !errors.Is(err, ErrUnknown) || !strings.Contains(log.String(), "range_private") {
				t.Errorf("%v, %v, logged %s", reported, err, log)
			}
			if strings.Contains(log.String(), address) {
				t.Errorf("the log tells what the name stands for: %s", log)
			}
		})
	}
	// The private network may be allowed; this machine and its clouds are not it.
	for _, address := range []string{"127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254"} {
		c := New(Options{
			RangeURL: "https://range.example.com:" + port, Timeout: time.Minute, Closed: true, Private: true,
			Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		c.ranges.dialer.Resolver = names(t, address)
		if reported, err := c.Reported(t.Context(), breached); reported || !errors.Is(err, ErrUnknown) || !errors.Is(err, errReach) {
			t.Errorf("%s with range_private: %v, %v", address, reported, err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("this machine was reached %d times", n)
	}
	// And localhost is this machine, wherever somebody makes it lead.
	c, _ := checker(t, "http://localhost:"+port, true)
	if err := c.ranges.dialer.ControlContext(t.Context(), "tcp4", "104.16.1.1:443", nil); !errors.Is(err, errReach) {
		t.Errorf("localhost elsewhere: %v", err)
	}
}

// Where an answer points to is not gone to.
//
// ASVS 13.2.4
func TestNoRedirectIsFollowed(t *testing.T) {
	var reached atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		list(w, r)
	}))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{
		"http://127.0.0.1:" + port + "/", "http://[::1]:" + port + "/", "http://2130706433:" + port + "/", "http://0x7f.1:" + port + "/",
		"http://[::ffff:127.0.0.1]:" + port + "/", "http://localhost:" + port + "/", "http://169.254.169.254/latest/meta-data/", "//127.0.0.1:" + port + "/",
		"file:///etc/passwd",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			}))
			c, _ := checker(t, outside.URL, true)
			if reported, err := c.Reported(t.Context(), breached); reported || !errors.Is(err, ErrUnknown) {
				t.Errorf("%d to %s: %v, %v", status, to, reported, err)
			}
			outside.Close()
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}
