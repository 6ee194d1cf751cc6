import { Check, Copy } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Button } from "./button";

/** A text to be taken along, with a button that copies it. */
export function CopyField({
  id,
  label,
  value,
  texts,
  quiet = false,
}: {
  id: string;
  label: string;
  value: string;
  texts: { copy: string; copied: string };
  /** It is one of several on a screen, and not what one came for. */
  quiet?: boolean;
}) {
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 4_000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      // Without TLS there is no clipboard to write to; the old way has no such wish.
      field.current?.select();
      if (!document.execCommand("copy")) return;
    }
    setCopied(true);
  };
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-small font-medium">
        {label}
      </label>
      <div className="flex flex-wrap gap-2">
        <input
          ref={field}
          id={id}
          readOnly
          value={value}
          onFocus={(event) => event.target.select()}
          className="block min-h-11 min-w-0 grow basis-60 rounded-card border border-edge bg-sunken px-3 font-mono text-small"
        />
        <Button kind={quiet ? "plain" : "primary"} onClick={() => void copy()}>
          {copied ? <Check size={18} aria-hidden="true" /> : <Copy size={18} aria-hidden="true" />}
          <span aria-live="polite">{copied ? texts.copied : texts.copy}</span>
        </Button>
      </div>
    </div>
  );
}
