// The small pieces that the page is made of.

import { Fragment, type ReactNode } from "react";
import type { Field } from "./fields";
import { highlight, type Token } from "./highlight";
import { blocks, inlines, type Block } from "./markdown";
import { origin } from "./snippets";
import type { Schema, Spec } from "./spec";

/** A line of text with code, bold and links in it. */
export function Line({ text }: { text: string }) {
  return inlines(text).map((part, i) => {
    switch (part.kind) {
      case "code":
        return <code key={i}>{part.text}</code>;
      case "bold":
        return <strong key={i}>{part.text}</strong>;
      case "link":
        return (
          <a key={i} href={part.href}>
            <Line text={part.text} />
          </a>
        );
      default:
        return <Fragment key={i}>{part.text}</Fragment>;
    }
  });
}

/** Text of several paragraphs. */
export function Prose({ text }: { text: string }) {
  return (
    <div className="prose">
      {blocks(text).map((block, i) => (
        <ProseBlock key={i} block={block} />
      ))}
    </div>
  );
}

function ProseBlock({ block }: { block: Block }) {
  switch (block.kind) {
    case "list":
      return (
        <ul>
          {block.items.map((item) => (
            <li key={item}>
              <Line text={item} />
            </li>
          ))}
        </ul>
      );
    case "table":
      return <Table head={block.head} rows={block.rows} />;
    case "heading":
      return null;
    default:
      return (
        <p>
          <Line text={block.text} />
        </p>
      );
  }
}

function Table({ head, rows }: { head: string[]; rows: string[][] }) {
  return (
    <table className="wide">
      <thead>
        <tr>
          {head.map((cell) => (
            <th key={cell} scope="col">
              {capital(cell)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row[0]}>
            {row.map((cell, i) => (
              <td key={head[i]} data-label={capital(head[i] ?? "")}>
                <Line text={cell} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

interface CodeProps {
  code: string;
  language: string;
  title: ReactNode;
  /** What the copy button copies, in words. */
  name: string;
}

export function Code({ code, language, title, name }: CodeProps) {
  return (
    <figure className="code" data-name={name}>
      <figcaption>{title}</figcaption>
      <pre>
        <code>
          {highlight(code, language).map((token, i) => (
            <Piece key={i} token={token} />
          ))}
        </code>
      </pre>
    </figure>
  );
}

function Piece({ token: { kind, text } }: { token: Token }) {
  const pieces = text.split(origin).flatMap((part, i) => [
    ...(i > 0
      ? [
          <span key={`o${i}`} data-origin="">
            {origin}
          </span>,
        ]
      : []),
    part,
  ]);
  return kind === "plain" ? pieces : <span className={`t-${kind}`}>{pieces}</span>;
}

export function Json({ value, title, name }: { value: unknown; title: ReactNode; name: string }) {
  return <Code code={JSON.stringify(value, null, 2)} language="json" title={title} name={name} />;
}

export function SchemaLink({ name }: { name: string }) {
  return (
    <a className="schema" href={`#schema-${name}`}>
      {name}
    </a>
  );
}

export function Heading({ level, id, children }: { level: 2 | 3; id: string; children: ReactNode }) {
  const Tag = level === 2 ? "h2" : "h3";
  return (
    <Tag className="linked">
      {children} <Anchor id={id} />
    </Tag>
  );
}

/** The link of a heading to itself; a name for it is the heading's own text. */
function Anchor({ id }: { id: string }) {
  return (
    <a className="anchor" href={`#${id}`} aria-label={`Link to this part: ${id}`}>
      #
    </a>
  );
}

/** A table of fields: of a request, where one asks what must be sent, or of an answer. */
export function Fields({
  fields,
  caption,
  of,
}: {
  fields: Field[];
  caption: ReactNode;
  of: "request" | "answer";
}) {
  if (fields.length === 0) return null;
  const presence = of === "request" ? "Required" : "Present";
  return (
    <table className="fields">
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Type</th>
          <th scope="col">{presence}</th>
          <th scope="col">Rules</th>
        </tr>
      </thead>
      <tbody>
        {fields.map((field) => (
          <tr key={field.name}>
            <th scope="row">
              <code>
                <Breakable name={field.name} />
              </code>
            </th>
            <td data-label="Type">
              <TypeName field={field} />
            </td>
            <td data-label={presence} className={`presence ${field.presence === "optional" ? "" : "needed"}`}>
              {present(field, of)}
            </td>
            <td data-label="Rules" className="rules">
              <Line text={field.rules.join(" ")} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function present({ presence }: Field, of: "request" | "answer"): string {
  if (of === "request" || presence === "one of these") return presence;
  return presence === "required" ? "always" : "not always";
}

function TypeName({ field: { type, link } }: { field: Field }) {
  if (!link) return type;
  return type.endsWith(link) ? (
    <>
      {type.slice(0, -link.length)}
      <SchemaLink name={link} />
    </>
  ) : (
    <>
      {type}, <SchemaLink name={link} />
    </>
  );
}

/** A dotted or snake_case name that may be broken where it has joints. */
function Breakable({ name }: { name: string }) {
  return name.split(/(?<=[._])/).map((part, i) => (
    <Fragment key={i}>
      {i > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}

/** What is to say of a schema that is no object. */
export function describe(spec: Spec, schema: Schema): string {
  return spec.resolve(schema).description?.trim() ?? "";
}
