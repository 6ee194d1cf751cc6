import { fieldErrors } from "@latchkey/client";
import { useAuth } from "@latchkey/client/react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "../session";
import { useText } from "../text/text";
import { Confirm } from "../ui/confirm";
import { PasswordField } from "../ui/field";
import { words } from "./problems";

/** Asks for the password until it is right, or nobody wants to give it. `what` is what it is asked for. */
export function AskPassword({ what, onSettle }: { what: string; onSettle: (proved: boolean) => void }) {
  const text = useText();
  const { user } = useAuth();
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState<string[]>([]);
  const tell = (problems: string[]) => {
    setWrong(problems);
    const field = document.getElementById("proof-password");
    if (field instanceof HTMLInputElement) {
      field.focus();
      field.select();
    }
  };
  const confirm = useMutation({
    mutationFn: () => client.confirm(password),
    onSuccess: () => onSettle(true),
    onError(error) {
      const said = fieldErrors(error)["password"]?.map((m) => text.server(m));
      tell(said ?? [words(error, text)]);
    },
  });
  const submit = () => {
    if (confirm.isPending) return;
    if (password === "") tell([text.required]);
    else confirm.mutate();
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onSettle(false)}
      title={text.proofTitle(what)}
      action={what}
      cancel={text.cancel}
      danger={false}
      waiting={confirm.isPending && text.waiting}
      form="proof"
      first="proof-password"
      proof={
        <form
          id="proof"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          {/* For password managers: whose password it is. */}
          <input
            type="text"
            name="username"
            autoComplete="username"
            value={user?.email ?? ""}
            readOnly
            hidden
          />
          <PasswordField
            id="proof-password"
            name="password"
            label={text.password}
            autoComplete="current-password"
            texts={{ show: text.showPassword, hide: text.hidePassword, capsLock: text.capsLock }}
            value={password}
            onChange={(event) => {
              setPassword(event.target.value);
              setWrong([]);
            }}
            errors={wrong}
          />
        </form>
      }
    >
      {text.proofBody}
    </Confirm>
  );
}
