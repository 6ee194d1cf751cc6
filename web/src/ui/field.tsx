import { Eye, EyeOff } from "lucide-react";
import { useState, type InputHTMLAttributes, type KeyboardEvent, type ReactNode, type Ref } from "react";
import { classes } from "./classes";

const box =
  "block w-full min-h-11 rounded-card border bg-surface px-3 py-2 text-base text-ink read-only:bg-sunken aria-invalid:border-danger";

export type FieldProps = Omit<InputHTMLAttributes<HTMLInputElement>, "id"> & {
  id: string;
  label: string;
  /** Said after the label, as "optional". */
  note?: string | undefined;
  /** What is wrong with it, each a sentence. */
  errors?: readonly string[] | undefined;
  /** What helps to fill it in; stands under it. */
  children?: ReactNode;
  /** Stands in the field's end. */
  end?: ReactNode;
  ref?: Ref<HTMLInputElement>;
};

/** A labelled input with what is wrong with it under it. */
export function Field({ id, label, note, errors = [], children, end, className, ...input }: FieldProps) {
  const wrong = errors.length > 0;
  const described = [wrong && `${id}-error`, children && `${id}-help`].filter(Boolean).join(" ");
  return (
    <div className={classes("min-w-0", className)}>
      <label htmlFor={id} className="mb-1 block text-small font-medium">
        {label}
        {note && <span className="font-normal text-soft"> ({note})</span>}
      </label>
      <div className="relative">
        <input
          {...input}
          id={id}
          aria-invalid={wrong ? true : undefined}
          aria-describedby={described || undefined}
          className={classes(box, wrong ? "border-danger" : "border-edge", end !== undefined && "pr-12")}
        />
        {end}
      </div>
      {wrong && (
        <div id={`${id}-error`} className="mt-1 text-small text-danger">
          {errors.map((e) => (
            <p key={e}>{e}</p>
          ))}
        </div>
      )}
      {children && <div id={`${id}-help`}>{children}</div>}
    </div>
  );
}

export type PasswordFieldProps = FieldProps & { texts: { show: string; hide: string; capsLock: string } };

/** A password: hidden unless asked for, with a word when Caps Lock is on. */
export function PasswordField({ texts, children, onKeyUp, ...field }: PasswordFieldProps) {
  const [shown, setShown] = useState(false);
  const [caps, setCaps] = useState(false);
  const name = shown ? texts.hide : texts.show;
  return (
    <Field
      {...field}
      type={shown ? "text" : "password"}
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      onKeyUp={(event: KeyboardEvent<HTMLInputElement>) => {
        setCaps(event.getModifierState("CapsLock"));
        onKeyUp?.(event);
      }}
      end={
        <button
          type="button"
          aria-label={name}
          title={name}
          aria-controls={field.id}
          onClick={() => setShown(!shown)}
          className="absolute inset-y-0 right-0 grid w-11 place-items-center rounded-card text-soft hover:text-ink"
        >
          {shown ? <EyeOff size={20} aria-hidden="true" /> : <Eye size={20} aria-hidden="true" />}
        </button>
      }
    >
      {(caps || children) && (
        <>
          {caps && (
            <p role="status" className="mt-1 text-small text-soft">
              {texts.capsLock}
            </p>
          )}
          {children}
        </>
      )}
    </Field>
  );
}

/** A choice from a list; the system's own, so that it works everywhere. */
export function Choice<T extends string>({
  id,
  label,
  hideLabel = false,
  value,
  options,
  onChange,
}: {
  id: string;
  label: string;
  hideLabel?: boolean;
  value: T;
  options: readonly { id: T; name: string }[];
  onChange: (value: T) => void;
}) {
  return (
    <div className="min-w-0">
      <label htmlFor={id} className={hideLabel ? "sr-only" : "mb-1 block text-small font-medium"}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        onChange={(event) => {
          const chosen = options.find((o) => o.id === event.target.value);
          if (chosen) onChange(chosen.id);
        }}
        className="min-h-11 max-w-full rounded-card border border-edge bg-surface px-2 text-small text-ink"
      >
        {options.map((o) => (
          <option key={o.id} value={o.id}>
            {o.name}
          </option>
        ))}
      </select>
    </div>
  );
}
