import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { NotProved, useProof } from "../../people/proof";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { CopyField } from "../../ui/copy";
import { Moment } from "../../ui/time";
import { useToast } from "../../ui/toast";
import { said } from "./names";
import { useConsoleText } from "./text";
import { makeResetLink, type ResetLink } from "./users";

/** A link to be handed over. It is shown here and never again; it takes the focus. */
export function LinkCard({ link, name, onClose }: { link: ResetLink; name: string; onClose: () => void }) {
  const text = useText();
  const t = useConsoleText();
  const { language } = useLanguage();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
    heading.current?.scrollIntoView?.({ block: "center" });
  }, []);
  return (
    <section
      aria-labelledby="link"
      className="space-y-3 rounded-card border-2 border-brass bg-surface p-4 sm:p-6"
    >
      <h2 id="link" ref={heading} tabIndex={-1} className="outline-none">
        {t.linkTitle(name)}
      </h2>
      <p className="max-w-prose">{t.linkBody}</p>
      <CopyField
        id="reset-link"
        label={t.linkLabel}
        value={link.link}
        texts={{ copy: t.copy, copied: t.copied }}
      />
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-small text-soft">
          {t.linkUntil} <Moment time={link.expires_at} language={language} />.
        </p>
        <Button onClick={onClose}>{text.close}</Button>
      </div>
    </section>
  );
}

/** Offers a link to whoever has just created an account. */
export function LinkOffer({
  id,
  name,
  onLink,
}: {
  id: number;
  name: string;
  onLink: (link: ResetLink) => void;
}) {
  const text = useText();
  const t = useConsoleText();
  const toast = useToast();
  const prove = useProof();
  const make = useMutation({
    mutationFn: () => prove(t.resetLink, () => makeResetLink(id)),
    onSuccess: onLink,
    onError(error) {
      if (!(error instanceof NotProved)) toast(said(error, text), { failed: true });
    },
  });
  return (
    <section
      aria-labelledby="offer"
      className="space-y-3 rounded-card border-2 border-brass bg-surface p-4 sm:p-6"
    >
      <h2 id="offer">{t.createdTitle(name)}</h2>
      <p className="max-w-prose">{t.createdBody}</p>
      <Button kind="primary" waiting={make.isPending && text.waiting} onClick={() => make.mutate()}>
        {t.resetLink}
      </Button>
    </section>
  );
}
