import type { Role } from "@latchkey/client";
import { useAuth } from "@latchkey/client/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, Search, UserPlus } from "lucide-react";
import { useCallback, useEffect, useId, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { paths, userPath } from "../../paths";
import type { May } from "../../people/permissions";
import { RoleBadge } from "../../people/role";
import { Heading } from "../../people/screen";
import { useLanguage, useText } from "../../text/text";
import { Button, buttonClass } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Choice, Field } from "../../ui/field";
import { Shape } from "../../ui/state";
import { Cell, Row, RowHead, Table, type Column } from "../../ui/table";
import { Ago } from "../../ui/time";
import { StateBadge } from "./badges";
import { Bulk, type BulkJob } from "./bulk";
import { Guard, LoadFailed } from "./guard";
import { useKept } from "./kept";
import { isStatus, nameOf, roleNames } from "./names";
import { useConsoleText } from "./text";
import {
  cursorOf,
  listUsers,
  orderings,
  pageSizes,
  readFilters,
  writeFilters,
  type BulkAct,
  type Ordering,
  type User,
  type UserFilters,
} from "./users";

/** All users, as many as there may be. */
export function UsersScreen() {
  return <Guard permission="users.read">{(may) => <Users may={may} />}</Guard>;
}

function Users({ may }: { may: May }) {
  const text = useText();
  const t = useConsoleText();
  const me = useAuth().user?.id;
  const [params, setParams] = useSearchParams();
  const filters = readFilters(params);
  const [selected, setSelected] = useState<ReadonlyMap<number, User>>(new Map());
  const [asking, setAsking] = useState<BulkAct>();
  const [job, setJob] = useState<BulkJob>();
  const results = useRef<HTMLParagraphElement>(null);

  const go = (next: UserFilters, replace = false) => setParams(writeFilters(next), { replace });
  /** Another choice begins at its first page, and what was selected in the one before is let go. */
  const choose = (change: Partial<UserFilters>, replace = false) => {
    setSelected(new Map());
    go({ ...filters, ...change, cursor: "" }, replace);
  };
  const turn = (cursor: string) => {
    go({ ...filters, cursor });
    results.current?.focus();
  };

  const query = useInfiniteQuery({
    queryKey: ["users", "list", filters],
    queryFn: ({ pageParam, signal }) =>
      listUsers({ ...filters, page_size: pageParam.size }, pageParam.cursor, signal),
    initialPageParam: { cursor: filters.cursor, size: filters.page_size },
    // A page may come with fewer rows than it has room for; then it is filled up from where the server stopped looking.
    getNextPageParam: (last, all) => {
      const room = filters.page_size - all.reduce((n, page) => n + page.results.length, 0);
      const cursor = cursorOf(last.next);
      return cursor && room > 0 ? { cursor, size: room } : undefined;
    },
  });
  const { hasNextPage: unfilled, isFetching, isError, fetchNextPage } = query;
  const parts = query.data?.pages.length ?? 0;
  useEffect(() => {
    if (parts > 0 && unfilled && !isFetching && !isError) void fetchNextPage();
  }, [parts, unfilled, isFetching, isError, fetchNextPage]);

  // A place in a list that is no more, of an old address say: the list begins at its beginning then.
  const lost = filters.cursor !== "" && isStatus(query.error, 404);
  useEffect(() => {
    if (!lost) return;
    setParams(
      (now) => {
        now.delete("cursor");
        return now;
      },
      { replace: true },
    );
  }, [lost, setParams]);

  const data = useKept(query.data);
  const users = data?.pages.flatMap((page) => page.results) ?? [];
  const first = data?.pages[0];
  const next = unfilled ? undefined : cursorOf(data?.pages.at(-1)?.next);
  const previous = cursorOf(first?.previous);

  const acts = (user: User): BulkAct[] => {
    if (user.id === me) return [];
    const able: BulkAct[] = [];
    if (may("users.deactivate", user.role) && user.is_active) able.push("deactivate");
    if (may("users.logout", user.role)) able.push("logout");
    return able;
  };
  const chosenFor = (act: BulkAct) => [...selected.values()].filter((u) => acts(u).includes(act));
  const filtered = writeFilters({ ...filters, ordering: "-id", page_size: 25, cursor: "" }).size > 0;

  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <div>
          <Heading title={t.users} />
          <p ref={results} tabIndex={-1} role="status" className="text-soft tabular-nums outline-none">
            {first ? t.usersCount(first.count, first.count_exact) : "\u00a0"}
          </p>
        </div>
        {may("users.create") && (
          <Link to={paths.newUser} className={buttonClass("primary")}>
            <UserPlus size={18} aria-hidden="true" />
            {t.newUser}
          </Link>
        )}
      </div>
      <Filters filters={filters} onChoose={choose} />
      {job && (
        <Bulk
          key={`${job.act} ${job.users.map((u) => u.id).join()}`}
          job={job}
          onUndo={(done) => setJob({ act: "activate", users: done })}
          onClose={() => {
            setJob(undefined);
            results.current?.focus();
          }}
        />
      )}
      {query.isError && (
        <LoadFailed
          error={query.error}
          kept={data !== undefined}
          onRetry={() => void (query.data ? query.fetchNextPage() : query.refetch())}
        />
      )}
      {!data && query.isPending && <Shape label={text.loading} rows={8} />}
      {data && users.length === 0 && !unfilled && (
        <div className="space-y-3 rounded-card border border-line bg-surface p-6">
          <p>{filtered ? t.noMatch : t.noUsers}</p>
          {filtered && (
            <Button onClick={() => choose(readFilters(new URLSearchParams()))}>{t.clearFilters}</Button>
          )}
        </div>
      )}
      {users.length > 0 && (
        <UserTable
          users={users}
          busy={query.data === undefined && isFetching}
          ordering={filters.ordering}
          onOrder={(ordering) => choose({ ordering })}
          selectable={(user) => acts(user).length > 0}
          selected={selected}
          onSelect={setSelected}
        />
      )}
      {unfilled && !isError && (
        <p role="status" className="text-small text-soft">
          {t.searching}
        </p>
      )}
      <div className="flex flex-wrap items-end justify-between gap-3">
        <Choice
          id="page-size"
          label={t.perPage}
          value={String(filters.page_size)}
          options={pageSizes.map((n) => ({ id: String(n), name: t.number(n) }))}
          onChange={(n) => choose({ page_size: Number(n) })}
        />
        {(previous || next || filters.cursor) && (
          <nav aria-label={t.pages} className="flex flex-wrap gap-3">
            <Button
              aria-disabled={!previous}
              className="aria-disabled:cursor-default aria-disabled:opacity-50"
              onClick={() => previous && turn(previous)}
            >
              <ChevronLeft size={18} aria-hidden="true" />
              {t.previousPage}
            </Button>
            <Button
              aria-disabled={!next}
              className="aria-disabled:cursor-default aria-disabled:opacity-50"
              onClick={() => next && turn(next)}
            >
              {t.nextPage}
              <ChevronRight size={18} aria-hidden="true" />
            </Button>
          </nav>
        )}
      </div>
      {selected.size > 0 && (
        <section
          aria-label={t.selection}
          className="sticky bottom-16 z-[2] flex flex-wrap items-center gap-x-4 gap-y-2 rounded-card border border-edge bg-surface p-3 sm:bottom-2"
        >
          <div className="flex grow flex-wrap items-center justify-between gap-x-4">
            <p role="status" className="font-medium tabular-nums">
              {t.selected(selected.size)}
            </p>
            <Button kind="quiet" onClick={() => setSelected(new Map())}>
              {t.unselect}
            </Button>
          </div>
          <div className="flex grow flex-wrap justify-end gap-2 sm:grow-0">
            {chosenFor("logout").length > 0 && (
              <Button onClick={() => setAsking("logout")}>{t.signOutMany(chosenFor("logout").length)}</Button>
            )}
            {chosenFor("deactivate").length > 0 && (
              <Button kind="danger" onClick={() => setAsking("deactivate")}>
                {t.deactivateMany(chosenFor("deactivate").length)}
              </Button>
            )}
          </div>
        </section>
      )}
      {asking && (
        <AskBulk
          act={asking}
          users={chosenFor(asking)}
          onCancel={() => setAsking(undefined)}
          onConfirm={(users) => {
            setAsking(undefined);
            setSelected(new Map());
            setJob({ act: asking, users });
          }}
        />
      )}
    </div>
  );
}

function AskBulk({
  act,
  users,
  onCancel,
  onConfirm,
}: {
  act: BulkAct;
  users: User[];
  onCancel: () => void;
  onConfirm: (users: User[]) => void;
}) {
  const text = useText();
  const t = useConsoleText();
  const action = act === "logout" ? t.signOutMany(users.length) : t.deactivateMany(users.length);
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onCancel()}
      title={`${action}?`}
      action={action}
      cancel={text.cancel}
      after="bulk"
      onConfirm={() => onConfirm(users)}
    >
      {act === "logout" ? t.signOutManyBody : t.deactivateManyBody}
    </Confirm>
  );
}

function Filters({
  filters,
  onChoose,
}: {
  filters: UserFilters;
  onChoose: (change: Partial<UserFilters>, replace?: boolean) => void;
}) {
  const text = useText();
  const t = useConsoleText();
  return (
    <search className="flex flex-wrap items-end gap-3">
      <SearchField
        value={filters.search}
        label={t.search}
        hint={t.searchHint}
        onChange={(search) => onChoose({ search }, true)}
      />
      <Choice<Role | "">
        id="filter-role"
        label={text.role}
        value={filters.role}
        options={[
          { id: "", name: t.anyRole },
          ...roleNames.map((role) => ({ id: role, name: text.roles[role] })),
        ]}
        onChange={(role) => onChoose({ role })}
      />
      <Choice<UserFilters["is_active"]>
        id="filter-state"
        label={t.state}
        value={filters.is_active}
        options={[
          { id: "", name: t.anyState },
          { id: "true", name: t.active },
          { id: "false", name: t.deactivated },
        ]}
        onChange={(is_active) => onChoose({ is_active })}
      />
      <Choice<Ordering>
        id="sort"
        label={t.sortBy}
        value={filters.ordering}
        options={orderings.map((id) => ({ id, name: t.sorts[id] }))}
        onChange={(ordering) => onChoose({ ordering })}
      />
    </search>
  );
}

/** How long after the last key it is looked for, in ms. */
const pause = 300;

/** What to look for: it is looked for when one pauses, or presses Enter. */
function SearchField({
  value,
  label,
  hint,
  onChange,
}: {
  value: string;
  label: string;
  hint: string;
  onChange: (value: string) => void;
}) {
  const id = useId();
  const [typed, setTyped] = useState(value);
  const told = useRef(value); // what the address has from here
  const latest = useRef(onChange);
  useEffect(() => {
    latest.current = onChange;
  });
  useEffect(() => {
    // From elsewhere: the way back, or filters that were cleared.
    if (value === told.current) return;
    told.current = value;
    setTyped(value);
  }, [value]);
  const tell = useCallback((what: string) => {
    if (what === told.current) return;
    told.current = what;
    latest.current(what);
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => tell(typed.trim()), pause);
    return () => clearTimeout(timer);
  }, [typed, tell]);
  return (
    <form
      className="min-w-0 grow basis-56"
      onSubmit={(event) => {
        event.preventDefault();
        tell(typed.trim());
      }}
    >
      <Field
        id={id}
        label={`${label} · ${hint}`}
        type="search"
        enterKeyHint="search"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={150}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        end={
          <Search
            size={18}
            aria-hidden="true"
            className="pointer-events-none absolute top-3.5 right-3 text-soft"
          />
        }
      />
    </form>
  );
}

function UserTable({
  users,
  busy,
  ordering,
  onOrder,
  selectable,
  selected,
  onSelect,
}: {
  users: User[];
  busy: boolean;
  ordering: Ordering;
  onOrder: (ordering: Ordering) => void;
  selectable: (user: User) => boolean;
  selected: ReadonlyMap<number, User>;
  onSelect: (selected: ReadonlyMap<number, User>) => void;
}) {
  const text = useText();
  const t = useConsoleText();
  const { language } = useLanguage();
  const open = users.filter(selectable);
  const all = open.length > 0 && open.every((u) => selected.has(u.id));
  const some = open.some((u) => selected.has(u.id));
  const pick = (of: readonly User[], on: boolean) => {
    const next = new Map(selected);
    for (const user of of) {
      if (on) next.set(user.id, user);
      else next.delete(user.id);
    }
    onSelect(next);
  };
  const sort = (up: Ordering, down: Ordering): Column["sort"] => ({
    now: ordering === up ? "ascending" : ordering === down ? "descending" : undefined,
    by: () => onOrder(ordering === up ? down : up),
  });
  const columns: Column[] = [
    ...(open.length > 0
      ? [
          {
            id: "select",
            className: "w-11 pr-0",
            name: <Box label={t.selectAll} on={all} some={some && !all} onChange={(on) => pick(open, on)} />,
          },
        ]
      : []),
    { id: "name", name: t.name, sort: sort("name", "-name") },
    { id: "email", name: text.email, sort: sort("email", "-email") },
    { id: "role", name: text.role },
    { id: "state", name: t.state },
    { id: "created", name: t.created, sort: sort("created_at", "-created_at") },
    { id: "last", name: t.lastLogin, sort: sort("last_login", "-last_login") },
  ];
  return (
    <>
      {open.length > 0 && (
        <div className="flex justify-end lg:hidden">
          <Box label={t.selectAll} shown on={all} some={some && !all} onChange={(on) => pick(open, on)} />
        </div>
      )}
      <Table caption={`${t.users}. ${t.rowKeys}`} columns={columns} busy={busy}>
        {users.map((user) => {
          const name = nameOf(user);
          return (
            <Row key={user.id} marked={selected.has(user.id)}>
              {open.length > 0 && (
                <Cell className="float-right -mt-2 -mr-2 lg:float-none lg:py-1 lg:pr-0">
                  {selectable(user) && (
                    <Box
                      label={t.select(name)}
                      on={selected.has(user.id)}
                      onChange={(on) => pick([user], on)}
                    />
                  )}
                </Cell>
              )}
              <RowHead className="lg:max-w-64">
                <Link
                  to={userPath(user.id)}
                  title={name}
                  className="inline-flex min-h-11 items-center underline decoration-edge underline-offset-4 hover:decoration-current"
                >
                  <span className="line-clamp-3">{name}</span>
                </Link>
              </RowHead>
              <Cell className="lg:max-w-72">{user.email}</Cell>
              <Cell className="py-1.5 lg:py-1">
                <RoleBadge role={user.role} />
              </Cell>
              <Cell className="py-0.5">
                <StateBadge active={user.is_active} />
              </Cell>
              <Cell name={t.created} className="lg:whitespace-nowrap">
                <Ago time={user.created_at} language={language} />
              </Cell>
              <Cell name={t.lastLogin} className="lg:whitespace-nowrap">
                {user.last_login ? <Ago time={user.last_login} language={language} /> : t.never}
              </Cell>
            </Row>
          );
        })}
      </Table>
    </>
  );
}

function Box({
  label,
  shown = false,
  on,
  some = false,
  onChange,
}: {
  label: string;
  /** Whether the label can be seen. */
  shown?: boolean;
  on: boolean;
  some?: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <label className="inline-flex min-h-11 shrink-0 items-center text-small">
      <span className={shown ? "" : "sr-only"}>{label}</span>
      <span className="grid size-11 place-items-center">
        <input
          type="checkbox"
          checked={on}
          ref={(box) => {
            if (box) box.indeterminate = some;
          }}
          onChange={(event) => onChange(event.target.checked)}
          className="size-5 accent-brass"
        />
      </span>
    </label>
  );
}
