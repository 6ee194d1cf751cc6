import type { Role } from "@latchkey/client";
import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useNavigate } from "react-router";
import type { Answer } from "../../ask";
import { paths } from "../../paths";
import type { May } from "../../people/permissions";
import { NotProved, useProof } from "../../people/proof";
import { client } from "../../session";
import { useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Choice, Field } from "../../ui/field";
import { Card } from "../../ui/state";
import { useToast } from "../../ui/toast";
import { Conflict, conflictOf, type Difference } from "./conflict";
import { useRefusal } from "./guard";
import { isStatus, nameOf, roleNames, said } from "./names";
import { useConsoleText } from "./text";
import {
  activate,
  changeUser,
  deactivate,
  deleteUser,
  makeResetLink,
  signOutUser,
  userQuery,
  type ResetLink,
  type User,
} from "./users";

/** What may be done to a user; what one may not do is not here. */
export function Access({
  answer,
  may,
  own,
  onLink,
}: {
  answer: Answer<User>;
  may: May;
  own: boolean;
  onLink: (link: ResetLink) => void;
}) {
  const t = useConsoleText();
  const user = answer.data;
  const acts: { key: string; node: ReactNode }[] = [];
  if (may("users.grant", user.role)) acts.push({ key: "role", node: <RoleForm answer={answer} may={may} /> });
  if (may("users.reset", user.role) && user.is_active)
    acts.push({ key: "reset", node: <MakeLink user={user} onLink={onLink} /> });
  if (may("users.logout", user.role)) acts.push({ key: "logout", node: <SignOut user={user} own={own} /> });
  if (may("users.deactivate", user.role)) acts.push({ key: "shut", node: <Shut user={user} own={own} /> });
  if (may("users.delete", user.role)) acts.push({ key: "delete", node: <Delete user={user} /> });
  if (acts.length === 0) return null;
  return (
    <Card id="access" title={t.access}>
      <ul className="divide-y divide-line">
        {acts.map(({ key, node }) => (
          <li key={key} className="py-4 first:pt-0 last:pb-0">
            {node}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Act({ hint, children }: { hint: string; children: ReactNode }) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
      <p className="min-w-[min(12rem,100%)] grow basis-0 text-small text-soft">{hint}</p>
      {children}
    </div>
  );
}

/** After an act everything about users is asked for again; one's own change is learnt of. */
function useSettled(id: number): () => void {
  const queries = useQueryClient();
  return () => {
    void queries.invalidateQueries({ queryKey: ["users"] });
    void queries.invalidateQueries({ queryKey: ["audit"] });
    if (id === client.state.user?.id) void client.profile.get().catch(() => {});
  };
}

function RoleForm({ answer, may }: { answer: Answer<User>; may: May }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const queries = useQueryClient();
  const user = answer.data;
  const name = nameOf(user);
  const settled = useSettled(user.id);
  const prove = useProof();
  const [chosen, setChosen] = useState<Role>();
  const [conflict, setConflict] = useState<Difference[]>();
  const role = chosen ?? user.role;
  const give: UseMutationResult<Answer<User>, Error, { role: Role; etag: string; back?: Role }> = useMutation(
    {
      mutationFn: ({ role, etag }) => prove(t.giveRole, () => changeUser(user.id, { role }, etag)),
      onSuccess(saved, { back }) {
        setConflict(undefined);
        setChosen(undefined);
        queries.setQueryData(userQuery(user.id).queryKey, saved);
        // Of the version that this change made: what somebody else does meanwhile is not undone.
        const undo = back && { label: text.undo, act: () => give.mutate({ role: back, etag: saved.etag }) };
        toast(t.roleChanged(name, text.roles[saved.data.role]), { undo });
      },
      async onError(reason) {
        if (reason instanceof NotProved) return;
        if (isStatus(reason, 412)) {
          const newer = await queries.fetchQuery(userQuery(user.id)).catch(() => undefined);
          if (newer) return setConflict(conflictOf(user, newer.data));
        }
        toast(said(reason, text), { failed: true });
      },
      onSettled: settled,
    },
  );
  useRefusal(give.error);
  const options = roleNames.filter((r) => r === user.role || may("users.grant", r));
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (role !== user.role && !give.isPending) give.mutate({ role, etag: answer.etag, back: user.role });
      }}
    >
      {conflict && (
        <Conflict
          name={name}
          differences={conflict}
          onTake={
            chosen && chosen !== user.role
              ? () => {
                  setChosen(undefined);
                  setConflict(undefined);
                }
              : undefined
          }
        />
      )}
      <div className="flex flex-wrap items-end gap-3">
        <Choice
          id="user-role"
          label={text.role}
          value={role}
          options={options.map((id) => ({ id, name: text.roles[id] }))}
          onChange={setChosen}
        />
        <Button
          type="submit"
          waiting={give.isPending && text.waiting}
          aria-disabled={role === user.role}
          className="aria-disabled:cursor-default aria-disabled:opacity-50"
        >
          {t.giveRole}
        </Button>
      </div>
      <p className="text-small text-soft">{text.roleIs[role]}</p>
    </form>
  );
}

function MakeLink({ user, onLink }: { user: User; onLink: (link: ResetLink) => void }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const prove = useProof();
  const make = useMutation({
    mutationFn: () => prove(t.resetLink, () => makeResetLink(user.id)),
    onSuccess: onLink,
    onError(error) {
      if (!(error instanceof NotProved)) toast(said(error, text), { failed: true });
    },
    onSettled: useSettled(user.id),
  });
  useRefusal(make.error);
  return (
    <Act hint={t.resetLinkHint}>
      <Button waiting={make.isPending && text.waiting} onClick={() => make.mutate()}>
        {t.resetLink}
      </Button>
    </Act>
  );
}

function SignOut({ user, own }: { user: User; own: boolean }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const name = nameOf(user);
  const settled = useSettled(user.id);
  const [open, setOpen] = useState(false);
  const out = useMutation({
    mutationFn: () => signOutUser(user.id),
    onSuccess: (ended) => toast(t.signedOut(name, ended)),
    onError: (error) => toast(said(error, text), { failed: true }),
    onSettled() {
      setOpen(false);
      settled();
      // One's own session has ended with the others.
      if (own) void client.refresh().catch(() => {});
    },
  });
  useRefusal(out.error);
  return (
    <Act hint={t.signOutHint}>
      <Button onClick={() => setOpen(true)}>{t.signOut}</Button>
      <Confirm
        open={open}
        onOpenChange={setOpen}
        title={t.signOutTitle(name)}
        action={t.signOutDo(name)}
        cancel={text.cancel}
        waiting={out.isPending && text.waiting}
        onConfirm={() => out.mutate()}
      >
        {t.signOutHint}
      </Confirm>
    </Act>
  );
}

/** Shuts the account, or opens it again; either can be taken back, so neither asks. */
function Shut({ user, own }: { user: User; own: boolean }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const name = nameOf(user);
  const settled = useSettled(user.id);
  const change: UseMutationResult<unknown, Error, { open: boolean; undo: boolean }> = useMutation({
    mutationFn: ({ open }) => (open ? activate(user.id) : deactivate(user.id)),
    onSuccess(_, { open, undo }) {
      const words = open ? t.isActivated(name) : t.isDeactivated(name);
      const back = { label: text.undo, act: () => change.mutate({ open: !open, undo: false }) };
      toast(words, { undo: undo ? back : undefined });
      if (own) void client.refresh().catch(() => {});
    },
    onError: (error) => toast(said(error, text), { failed: true }),
    onSettled: settled,
  });
  useRefusal(change.error);
  return (
    <Act hint={user.is_active ? t.deactivateHint : t.activateHint}>
      <Button
        waiting={change.isPending && text.waiting}
        onClick={() => change.mutate({ open: !user.is_active, undo: true })}
      >
        {user.is_active ? t.deactivate : t.activate}
      </Button>
    </Act>
  );
}

function Delete({ user }: { user: User }) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const name = nameOf(user);
  const [open, setOpen] = useState(false);
  const prove = useProof();
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState(false);
  const remove = useMutation({
    mutationFn: () => prove(t.removeDo(name), () => deleteUser(user.id)),
    onSuccess() {
      toast(t.removed(name));
      void navigate(paths.users);
      queries.removeQueries({ queryKey: ["users", "one", user.id] });
      void queries.invalidateQueries({ queryKey: ["users"] });
    },
    onError(error) {
      setOpen(false);
      if (!(error instanceof NotProved)) toast(said(error, text), { failed: true });
    },
  });
  useRefusal(remove.error);
  const show = (on: boolean) => {
    setOpen(on);
    setTyped("");
    setWrong(false);
  };
  const confirm = () => {
    if (remove.isPending) return;
    if (typed.trim().toLowerCase() === user.email.toLowerCase()) return remove.mutate();
    setWrong(true);
    document.getElementById("delete-proof")?.focus();
  };
  return (
    <Act hint={t.removeHint}>
      <Button kind="danger" onClick={() => show(true)}>
        {t.remove}
      </Button>
      <Confirm
        open={open}
        onOpenChange={show}
        title={t.removeTitle(name)}
        action={t.removeDo(name)}
        cancel={text.cancel}
        waiting={remove.isPending && text.waiting}
        onConfirm={confirm}
        proof={
          <form
            onSubmit={(event) => {
              event.preventDefault();
              confirm();
            }}
          >
            <Field
              id="delete-proof"
              label={t.removeProof(user.email)}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              value={typed}
              onChange={(event) => {
                setTyped(event.target.value);
                setWrong(false);
              }}
              errors={wrong ? [t.removeMismatch] : []}
            />
          </form>
        }
      >
        {t.removeBody}
      </Confirm>
    </Act>
  );
}
