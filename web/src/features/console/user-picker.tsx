import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useEffect, useId, useState, type KeyboardEvent } from "react";
import { classes } from "../../ui/classes";
import { Field } from "../../ui/field";
import { nameOf } from "./names";
import { useConsoleText } from "./text";
import { listUsers, readFilters, userQuery, type User } from "./users";

const shown = 8;

/** Chooses one user by the beginning of a name or e-mail; or nobody, which is everybody. */
export function UserPicker({ user, onChange }: { user: string; onChange: (user: string) => void }) {
  const t = useConsoleText();
  const chosen = useQuery({ ...userQuery(Number(user)), enabled: user !== "" });
  if (user === "") return <Picker onPick={(picked) => onChange(String(picked.id))} />;
  const email = chosen.data?.data.email ?? t.userNumber(Number(user));
  return (
    <div className="min-w-0 grow basis-48">
      <p className="mb-1 text-small font-medium">{t.userFilter}</p>
      <div className="flex min-h-11 items-center justify-between gap-2 rounded-card border border-brass bg-sunken pl-3">
        <span className="min-w-0 truncate">{email}</span>
        <button
          type="button"
          aria-label={t.clearUser(email)}
          title={t.clearUser(email)}
          onClick={() => onChange("")}
          className="grid size-11 shrink-0 place-items-center rounded-card"
        >
          <X size={18} aria-hidden="true" />
        </button>
      </div>
    </div>
  );
}

function Picker({ onPick }: { onPick: (user: User) => void }) {
  const t = useConsoleText();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [wanted, setWanted] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setWanted(typed.trim()), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const query = useQuery({
    queryKey: ["users", "pick", wanted],
    queryFn: ({ signal }) =>
      listUsers(
        { ...readFilters(new URLSearchParams()), search: wanted, ordering: "name", page_size: shown },
        "",
        signal,
      ),
    enabled: wanted !== "",
  });
  const found = wanted === "" ? [] : (query.data?.results ?? []);
  const list = open && wanted !== "" && query.data !== undefined;
  const at = Math.min(active, found.length - 1);
  const option = (i: number) => `${id}-${i}`;
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setOpen(true);
      setActive((at + step + found.length) % found.length);
    } else if (event.key === "Enter" && list && found[at]) {
      event.preventDefault();
      onPick(found[at]);
    } else if (event.key === "Escape") {
      setOpen(false);
    }
  };
  return (
    <div className="relative min-w-0 grow basis-48" onBlur={() => setOpen(false)}>
      <Field
        id={`${id}-field`}
        label={t.userFilter}
        role="combobox"
        aria-expanded={list}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={list && found.length > 0 ? option(at) : undefined}
        placeholder={t.anybody}
        title={t.userFilterHint}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={typed}
        onFocus={() => setOpen(true)}
        onChange={(event) => {
          setTyped(event.target.value);
          setActive(0);
          setOpen(true);
        }}
        onKeyDown={onKey}
      />
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label={t.userFilter}
        hidden={!list || found.length === 0}
        className="absolute inset-x-0 top-full z-10 mt-1 rounded-card border border-edge bg-surface py-1"
      >
        {found.map((user, i) => (
          <div
            key={user.id}
            id={option(i)}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            // Not on click: by then the field has lost the focus, and the list has gone.
            onMouseDown={(event) => {
              event.preventDefault();
              onPick(user);
            }}
            className={classes(
              "min-h-11 cursor-pointer px-3 py-1.5",
              i === at ? "bg-sunken" : "hover:bg-sunken",
            )}
          >
            <span className="block">{nameOf(user)}</span>
            <span className="block text-small text-soft">{user.email}</span>
          </div>
        ))}
      </div>
      <p role="status" className="sr-only">
        {list && t.matches(found.length)}
      </p>
      {list && found.length === 0 && (
        <p className="absolute inset-x-0 top-full z-10 mt-1 rounded-card border border-edge bg-surface p-3 text-small">
          {t.noMatch}
        </p>
      )}
    </div>
  );
}
