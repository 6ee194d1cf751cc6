package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
)

type userCommands struct {
	Create      userCreateCommand      `cmd:"" help:"Make an account."`
	List        userListCommand        `cmd:"" help:"List accounts."`
	Show        userShowCommand        `cmd:"" help:"Show an account."`
	SetRole     userSetRoleCommand     `cmd:"" help:"Change what a user may do, from their next request on."`
	SetPassword userSetPasswordCommand `cmd:"" help:"Give an account a new password and sign it out everywhere."`
	Activate    userActivateCommand    `cmd:"" help:"Open an account again."`
	Deactivate  userDeactivateCommand  `cmd:"" help:"Shut an account and sign it out everywhere."`
	Delete      userDeleteCommand      `cmd:"" help:"Remove an account for good."`
}

type userCreateCommand struct {
	Email         string `arg:"" placeholder:"EMAIL" help:"The e-mail address to sign in with."`
	Role          string `default:"employee" enum:"admin,manager,employee,client" help:"One of admin, manager, employee, client. [employee]"`
	FirstName     string `help:"First name."`
	LastName      string `help:"Last name."`
	Phone         string `help:"Phone number."`
	PasswordStdin bool   `help:"Read the password from standard input, one line, instead of asking for it."`
}

// Run makes the account. All that is wrong is told at once.
func (c *userCreateCommand) Run(p *program) error {
	email, problems := c.check()
	if len(problems) > 0 {
		return misused("", "the account cannot be made:\n  %s", strings.Join(problems, "\n  "))
	}
	return p.withAccounts(func(d data) error {
		if _, err := d.store.Read().UserByEmail(p.ctx, email.Key); err == nil {
			// Said before a password is asked for.
			return refusal(emailTaken())
		}
		password, err := p.newPassword(c.PasswordStdin)
		if err != nil {
			return err
		}
		u, err := d.accounts.Create(p.ctx, account.NewAccount{
			Email: email, Password: password, FirstName: c.FirstName, LastName: c.LastName,
			Phone: c.Phone, Role: auth.Role(c.Role),
		})
		if err != nil {
			return refusal(err)
		}
		p.say("Created %s %s with id %d.", u.Role, printable(u.Email), u.ID)
		return nil
	})
}

func emailTaken() error {
	var f auth.Fields
	f.Add("email", auth.Problem{Code: auth.CodeEmailTaken})
	return f.Err()
}

// check is what the API checks of the form before the acts see it.
func (c *userCreateCommand) check() (auth.Email, []string) {
	var problems []string
	email, ok := auth.ParseEmail(c.Email)
	switch {
	case utf8.RuneCountInString(c.Email) > auth.MaxEmail:
		problems = append(problems, "email: "+api.ProblemText(auth.Problem{Code: auth.CodeMaxLength, Params: []any{auth.MaxEmail}}))
	case !ok || !auth.ValidEmail(c.Email):
		problems = append(problems, "email: "+api.ProblemText(auth.Problem{Code: auth.CodeInvalidEmail}))
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{{"first_name", c.FirstName, maxName}, {"last_name", c.LastName, maxName}, {"phone", c.Phone, maxPhone}} {
		switch {
		case !utf8.ValidString(f.value) || strings.ContainsRune(f.value, 0):
			problems = append(problems, f.name+": "+api.ProblemText(auth.Problem{Code: auth.CodeNullCharacters}))
		case utf8.RuneCountInString(f.value) > f.most:
			problems = append(problems, f.name+": "+api.ProblemText(auth.Problem{Code: auth.CodeMaxLength, Params: []any{f.most}}))
		}
	}
	return email, problems
}

type userListCommand struct {
	Role     string `enum:",admin,manager,employee,client" default:"" help:"Only this role."`
	Active   bool   `xor:"active" help:"Only active accounts."`
	Inactive bool   `xor:"active" help:"Only inactive accounts."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// userJSON is an account as --json prints it; names as the guide's profile.
type userJSON struct {
	ID        int64      `json:"id"`
	Email     string     `json:"email"`
	FirstName string     `json:"first_name"`
	LastName  string     `json:"last_name"`
	Phone     string     `json:"phone"`
	Role      auth.Role  `json:"role"`
	IsActive  bool       `json:"is_active"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	LastLogin *time.Time `json:"last_login"`
	Sessions  *int       `json:"sessions,omitempty"`
}

func toJSON(u auth.User) userJSON {
	out := userJSON{
		ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone,
		Role: u.Role, IsActive: u.IsActive, CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}
	if !u.LastLogin.IsZero() {
		at := u.LastLogin.UTC()
		out.LastLogin = &at
	}
	return out
}

// Run lists page by page: there may be a million.
func (c *userListCommand) Run(p *program) error {
	return p.withStore(func(_ *config.Config, store auth.Store) error {
		f := auth.UserFilter{Limit: 1000}
		if c.Role != "" {
			role := auth.Role(c.Role)
			f.Role = &role
		}
		if c.Active || c.Inactive {
			f.IsActive = &c.Active
		}
		var out userWriter = &userTable{w: tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)}
		if c.JSON {
			out = &userArray{w: p.stdout}
		}
		for {
			page, err := store.Read().Users(p.ctx, f)
			if err != nil {
				return fmt.Errorf("list users: %w", err)
			}
			for _, u := range page {
				if err := out.add(u); err != nil {
					return err
				}
			}
			if len(page) < f.Limit {
				return out.end()
			}
			f.After = page[len(page)-1].ID
		}
	})
}

// userWriter takes users one by one.
type userWriter interface {
	add(u auth.User) error
	end() error
}

type userTable struct {
	w     *tabwriter.Writer
	begun bool
}

func (t *userTable) add(u auth.User) error {
	if !t.begun {
		t.begun = true
		fmt.Fprintln(t.w, "ID\tE-MAIL\tNAME\tROLE\tACTIVE\tLAST LOGIN")
	}
	_, err := fmt.Fprintf(t.w, "%d\t%s\t%s\t%s\t%s\t%s\n", u.ID, printable(u.Email),
		printable(strings.TrimSpace(u.FirstName+" "+u.LastName)), u.Role, yesNo(u.IsActive), timeText(u.LastLogin))
	return err
}

func (t *userTable) end() error {
	if !t.begun {
		fmt.Fprintln(t.w, "No users.")
	}
	return t.w.Flush()
}

type userArray struct {
	w     io.Writer
	begun bool
}

func (a *userArray) add(u auth.User) error {
	b, err := json.Marshal(toJSON(u))
	if err != nil {
		return err
	}
	lead := ",\n"
	if !a.begun {
		a.begun, lead = true, "[\n"
	}
	_, err = fmt.Fprintf(a.w, "%s  %s", lead, b)
	return err
}

func (a *userArray) end() error {
	if !a.begun {
		_, err := fmt.Fprintln(a.w, "[]")
		return err
	}
	_, err := fmt.Fprint(a.w, "\n]\n")
	return err
}

type userShowCommand struct {
	Email string `arg:"" placeholder:"EMAIL" help:"Whom."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run shows one account and how many devices are signed in.
func (c *userShowCommand) Run(p *program) error {
	return p.withStore(func(_ *config.Config, store auth.Store) error {
		u, err := p.userByEmail(store, c.Email)
		if err != nil {
			return err
		}
		sessions, err := store.Read().Sessions(p.ctx, u.ID, time.Now())
		if err != nil {
			return fmt.Errorf("list the user's sessions: %w", err)
		}
		n := len(sessions)
		if c.JSON {
			out := toJSON(u)
			out.Sessions = &n
			return p.printJSON(out)
		}
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		for _, row := range [][2]string{
			{"id", fmt.Sprint(u.ID)},
			{"e-mail", printable(u.Email)},
			{"first name", printable(u.FirstName)},
			{"last name", printable(u.LastName)},
			{"phone", printable(u.Phone)},
			{"role", string(u.Role)},
			{"active", yesNo(u.IsActive)},
			{"created", timeText(u.CreatedAt)},
			{"updated", timeText(u.UpdatedAt)},
			{"last login", timeText(u.LastLogin)},
			{"sessions", fmt.Sprint(n)},
		} {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
		return w.Flush()
	})
}

type userSetRoleCommand struct {
	Email string `arg:"" placeholder:"EMAIL" help:"Whose."`
	Role  string `arg:"" enum:"admin,manager,employee,client" help:"One of admin, manager, employee, client."`
}

// Run changes the role.
func (c *userSetRoleCommand) Run(p *program) error {
	return p.withUser(c.Email, func(d data, u auth.User) error {
		if err := d.accounts.SetRole(p.ctx, nil, u.ID, auth.Role(c.Role)); err != nil {
			return refusal(err)
		}
		p.say("%s is %s now.", printable(u.Email), c.Role)
		return nil
	})
}

type userSetPasswordCommand struct {
	Email         string `arg:"" placeholder:"EMAIL" help:"Whose."`
	PasswordStdin bool   `help:"Read the password from standard input, one line, instead of asking for it."`
}

// Run sets the password.
func (c *userSetPasswordCommand) Run(p *program) error {
	return p.withUser(c.Email, func(d data, u auth.User) error {
		password, err := p.newPassword(c.PasswordStdin)
		if err != nil {
			return err
		}
		if err := d.accounts.SetPassword(p.ctx, u.ID, password); err != nil {
			return refusal(err)
		}
		p.say("%s has a new password and was signed out everywhere.", printable(u.Email))
		return nil
	})
}

type userActivateCommand struct {
	Email string `arg:"" placeholder:"EMAIL" help:"Whom."`
}

// Run opens the account.
func (c *userActivateCommand) Run(p *program) error {
	return p.withUser(c.Email, func(d data, u auth.User) error {
		if err := d.accounts.Activate(p.ctx, nil, u.ID); err != nil {
			return refusal(err)
		}
		p.say("%s is active.", printable(u.Email))
		return nil
	})
}

type userDeactivateCommand struct {
	Email string `arg:"" placeholder:"EMAIL" help:"Whom."`
}

// Run shuts the account.
func (c *userDeactivateCommand) Run(p *program) error {
	return p.withUser(c.Email, func(d data, u auth.User) error {
		if err := d.accounts.Deactivate(p.ctx, nil, u.ID); err != nil {
			return refusal(err)
		}
		p.say("%s is inactive and was signed out everywhere.", printable(u.Email))
		return nil
	})
}

type userDeleteCommand struct {
	Email string `arg:"" placeholder:"EMAIL" help:"Whom."`
	Yes   bool   `help:"Do not ask."`
}

// Run removes the account once its e-mail address was typed again.
func (c *userDeleteCommand) Run(p *program) error {
	return p.withUser(c.Email, func(d data, u auth.User) error {
		if !c.Yes {
			question := fmt.Sprintf("Type %s to delete the account for good: ", printable(u.Email))
			if err := p.confirm(question, u.Email); err != nil {
				return err
			}
		}
		if err := d.accounts.Delete(p.ctx, nil, u.ID, nil); err != nil {
			return refusal(err)
		}
		p.say("Deleted %s.", printable(u.Email))
		return nil
	})
}

// withUser finds the user and opens the acts.
func (p *program) withUser(address string, do func(data, auth.User) error) error {
	return p.withAccounts(func(d data) error {
		u, err := p.userByEmail(d.store, address)
		if err != nil {
			return err
		}
		return do(d, u)
	})
}

// refusal words what an act refused; anything else stays as it is.
func refusal(err error) error {
	var e *auth.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case auth.Invalid:
		var lines []string
		for _, f := range e.Fields {
			for _, problem := range f.Problems {
				lines = append(lines, f.Field+": "+api.ProblemText(problem))
			}
		}
		return failed("", "%s", strings.Join(lines, "\n  "))
	case auth.Missing:
		return failed("", "the user is gone")
	case auth.Conflict:
		if e.Code == auth.CodeLastAdmin {
			return failed("make somebody else an admin first: `latchkey user set-role EMAIL admin`",
				"this is the last active administrator")
		}
		return err
	case auth.Unavailable:
		if e.Code == auth.CodeBreachUnknown {
			return failed("password.unknown decides; the warning above says what failed", "it could not be found out whether the password was in a breach")
		}
		return failed("try again in a moment", "too many passwords are being hashed")
	default:
		return err
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// timeText is RFC 3339 in UTC, "never" for no time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
