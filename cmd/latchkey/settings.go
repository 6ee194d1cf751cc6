package main

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/internal/config"
)

// settingFlags are the flags of the configuration. Kong takes a struct; this
// one is made from config's own list, with a text for each flag, so that
// config alone reads values and can report all mistakes at once, also those of
// flags (kong stops at the first).
type settingFlags struct {
	flags []config.Flag
	value reflect.Value // *struct of *string
}

func newSettingFlags() *settingFlags {
	s := &settingFlags{flags: config.Flags()}
	var fields []reflect.StructField
	for i, f := range s.flags {
		group := "Settings"
		if f.Section != "" {
			group = "Settings: " + f.Section
		}
		fields = append(fields, reflect.StructField{
			Name: "F" + strconv.Itoa(i),
			Type: reflect.TypeFor[*string](),
			Tag: reflect.StructTag(fmt.Sprintf(`name:%q help:%q group:%q placeholder:"VALUE"`,
				f.Name, f.Help, group)),
		})
	}
	s.value = reflect.New(reflect.StructOf(fields))
	return s
}

// option gives the flags to kong.
func (s *settingFlags) option() kong.Option { return kong.Embed(s.value.Interface()) }

// given lists the flags that were given, by key.
func (s *settingFlags) given() map[string]string {
	out := map[string]string{}
	for i, f := range s.flags {
		if p := s.value.Elem().Field(i).Interface().(*string); p != nil {
			out[f.Name] = *p
		}
	}
	return out
}

// help prints the help. All commands take the settings, but only serve and
// config list them: elsewhere they would bury the command's own flags.
func (s *settingFlags) help(options kong.HelpOptions, ctx *kong.Context) error {
	options.NoExpandSubcommands = true
	options.WrapUpperBound = 100
	command := ctx.Command()
	list := command == "serve" || command == "config show"
	for _, f := range ctx.Model.Flags {
		for _, own := range s.flags {
			if f.Name == own.Name {
				f.Hidden = !list
			}
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
}
