package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/store/transfer"
	"github.com/latchkey-auth/latchkey/internal/takeover"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

type djangoShadowCommand struct {
	Upstream  string        `required:"" placeholder:"URL" help:"The live Django: http://host:port or https://host. --listen is where this proxy stands for it."`
	Out       string        `placeholder:"FILE" help:"Append the differences to this file, as JSON, one a line. Values, tokens and addresses are not in it."`
	Under     []string      `default:"/api/auth/" placeholder:"PATH,…" help:"Compare what is asked for under these paths; everything else is passed through alone. [/api/auth/]"`
	BodyLimit int64         `name:"body-limit" default:"65536" placeholder:"BYTES" help:"The largest body that is compared. Larger ones are passed through alone. [65536]"`
	Timeout   time.Duration `default:"60s" help:"How long the Django may take to begin an answer before the client gets 504. [60s]"`
	Every     time.Duration `default:"1m" help:"How often the counts are printed; 0 for only at the end. [1m]"`
	Scratch   string        `placeholder:"FOLDER" help:"Where the copy of the data is made and removed again. [the system's folder for temporary files]"`
}

// Help says more.
func (djangoShadowCommand) Help() string {
	return "Stands in front of a live Django, passes every request and answer through, and asks a Latchkey the same questions: one in this process, on a copy of the data in force (made by latchkey django import), with the settings in force. Where status, headers or the shape of a body differ is counted and written down; the live answers are never changed and never wait. Ends with SIGINT or SIGTERM. docs/django.md tells more."
}

// shadowDrain is how long requests, and then questions, may take at the end.
const shadowDrain = 20 * time.Second

// Run passes through until it is told to stop.
func (c *djangoShadowCommand) Run(p *program) (err error) {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	upstream, err := upstreamURL(c.Upstream)
	if err != nil {
		return err
	}
	if cfg.SigningKey() == nil {
		return failed("set signing.key or signing.key_file to what Django signs with: SIMPLE_JWT's SIGNING_KEY, or SECRET_KEY",
			"without Django's key no token of its clients can be asked about")
	}
	if c.BodyLimit < 1 || c.BodyLimit > 16<<20 {
		return misused("", "--body-limit is 1 to %d", 16<<20)
	}
	if c.Timeout <= 0 || c.Every < 0 {
		return misused("write it like 30s", "--timeout and --every are times")
	}
	var out io.Writer
	if c.Out != "" {
		f, err := os.OpenFile(c.Out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, privateFile)
		if err != nil {
			return failed("", "--out: %w", err)
		}
		defer func() {
			if closeErr := f.Close(); err == nil && closeErr != nil {
				err = closeErr
			}
		}()
		out = f
	}
	scratch, err := os.MkdirTemp(c.Scratch, "latchkey-shadow-*") // with mode 0700
	if err != nil {
		return failed("--scratch names a folder for it", "make room for the copy: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	data := filepath.Join(scratch, "data")
	if err := p.copyData(cfg, data); err != nil {
		return err
	}

	log, flush := serverLog(cfg.Log, p.stderr)
	defer flush()
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	defer listener.Close()
	return c.shadow(p, cfg, data, upstream, listener, out, log)
}

// shadow runs the Latchkey on the copy and the proxy before it.
func (c *djangoShadowCommand) shadow(p *program, cfg *config.Config, data string, upstream *url.URL, listener net.Listener, out io.Writer, log *slog.Logger) error {
	own := copied(cfg, data)
	// What it has to say of itself is not about the server that will be.
	quiet := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, stop := context.WithCancel(context.WithoutCancel(p.ctx))
	store, err := server.OpenStore(ctx, own, quiet)
	if err != nil {
		stop()
		return err
	}
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, own, quiet, server.RunOptions{Store: store, Ready: func(addr string) { ready <- addr }})
	}()
	defer func() { _ = store.Close() }() // It is about to be removed.
	var asked string
	select {
	case asked = <-ready:
	case err := <-ended:
		stop()
		return fmt.Errorf("start the Latchkey that is asked: %w", err)
	}
	defer func() {
		stop()
		if err := <-ended; err != nil {
			log.Error("the Latchkey that was asked ended badly", "error", err)
		}
	}()

	names := takeover.Names{Type: "token_type", ID: "jti", User: "user_id"}
	if jwt := cfg.SimpleJWT(); jwt != nil {
		names = takeover.Names{Type: jwt.TypeClaim, ID: jwt.IDClaim, User: jwt.UserClaim}
	}
	s := takeover.NewShadow(takeover.ShadowOptions{
		Upstream: upstream, Latchkey: asked, Store: store, Trusted: cfg.Proxy.Trusted, Header: cfg.Proxy.Header, Under: c.Under, BodyLimit: c.BodyLimit,
		Timeout: c.Timeout, Allowed: cfg.Registration.Roles, Names: names, Out: out, Log: log, Now: time.Now,
	})
	front := &http.Server{
		Handler: s, ReadHeaderTimeout: cfg.Timeouts.Header.Std(), IdleTimeout: cfg.Timeouts.Idle.Std(),
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), DisableGeneralOptionsHandler: true,
	}
	served := make(chan error, 1)
	go func() {
		if cfg.TLS.Cert != "" {
			served <- front.ServeTLS(listener, cfg.TLS.Cert, cfg.TLS.Key)
			return
		}
		served <- front.Serve(listener)
	}()
	p.say("Standing at %s for %s; asking a copy of the data. Ctrl+C ends it.", listener.Addr(), printable(upstream.Redacted()))
	err = c.watch(p, s, served, ended)

	drain, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), shadowDrain)
	defer cancel()
	err = errors.Join(err, front.Shutdown(drain))
	asking, cancelAsking := context.WithTimeout(context.WithoutCancel(p.ctx), shadowDrain)
	defer cancelAsking()
	s.Close(asking)
	return errors.Join(err, s.Summary(p.stdout), s.Err())
}

// watch prints the counts until the command is told to stop or something ends.
func (c *djangoShadowCommand) watch(p *program, s *takeover.Shadow, served, ended chan error) error {
	var tick <-chan time.Time
	if c.Every > 0 {
		t := time.NewTicker(c.Every)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-p.ctx.Done():
			return nil
		case err := <-served:
			return fmt.Errorf("serve: %w", err)
		case err := <-ended:
			ended <- nil // whoever waits for it still
			// The live service goes on: only nothing is compared any more.
			p.logger().Error("the Latchkey that is asked has ended; requests are passed through alone", "error", err)
			ended = nil
		case <-tick:
			if err := s.Summary(p.stdout); err != nil {
				return err
			}
		}
	}
}

// upstreamURL reads the address of a Django.
func upstreamURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, misused("write it like http://127.0.0.1:8001", "--upstream %s: it is no scheme://host:port", printable(text))
	}
	return u, nil
}

// copied are the settings of the Latchkey that is asked: those in force, on the
// copy, at an address of its own, with nothing that looks outside.
func copied(cfg *config.Config, data string) *config.Config {
	own := *cfg
	own.Listen, own.Data, own.Database = "127.0.0.1:0", data, ""
	own.TLS, own.UI.Enabled = config.TLS{}, false
	own.Password.RangeURL, own.Django.Upstream = "", ""
	// The proxy says who the client is.
	own.Proxy.Trusted = append(slices.Clone(cfg.Proxy.Trusted), netip.MustParsePrefix("127.0.0.1/32"))
	own.Proxy.Header = throttle.ForwardedFor // what the shadow writes
	return &own
}

// copyData copies the data in force into a new folder.
func (p *program) copyData(cfg *config.Config, folder string) (err error) {
	if !cfg.Database.IsPostgres() {
		if _, err := os.Stat(filepath.Join(cfg.Data, sqlite.FileName)); err != nil {
			return failed("latchkey django import --from SOURCE fills it; --data names the folder", "there is no database in %s", cfg.Data)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		store, err := server.OpenStore(p.ctx, cfg, p.logger())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		return store.(*sqlite.DB).Backup(p.ctx, filepath.Join(folder, sqlite.FileName))
	}
	from := p.place(cfg, cfg.Database.Reveal())
	source, err := p.outgoing(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close(context.WithoutCancel(p.ctx))) }()
	keys, err := transfer.Keys(p.ctx, source)
	if err != nil {
		return err
	}
	if keys, err = keyring.Carry(server.RingOptions(cfg), keys); err != nil {
		return fmt.Errorf("the signing key: %w", err)
	}
	target, err := p.incoming(p.place(cfg, folder))
	if err != nil {
		return err
	}
	_, err = transfer.Copy(p.ctx, source, target, transfer.WithKeys(keys), p.progress())
	if err = errors.Join(err, target.Close(context.WithoutCancel(p.ctx))); err != nil {
		return fmt.Errorf("copy the data: %w", err)
	}
	return nil
}
