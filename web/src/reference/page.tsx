// The page, whole. It is made when the app is built: what a browser gets is
// HTML that needs no script to be read.

import { renderToStaticMarkup } from "react-dom/server";
import { fieldsOf } from "./fields";
import { blocks } from "./markdown";
import { Method, OperationPart, schemaExample } from "./operation";
import { Code, Fields, Heading, Json, Line, Prose } from "./parts";
import { nameOf, readSpec, type Operation, type Schema, type Spec } from "./spec";
import * as text from "./text";

/** Renders the page of a description, with the table of deviations from its Markdown. */
export function renderReference(openapi: string, deviations: string): string {
  return renderToStaticMarkup(<Page spec={readSpec(openapi)} deviations={deviations} />);
}

function Page({ spec, deviations }: { spec: Spec; deviations: string }) {
  const groups = spec.tags.map((tag) => ({
    id: `tag-${tag.name}`,
    title: text.tagTitles[tag.name] ?? tag.name,
    description: tag.description,
    operations: spec.operations.filter((operation) => operation.tag === tag.name),
  }));
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <a className="mark" href="#top" aria-label={`${text.title}, to the top`}>
          <Mark />
          <span>
            Latchkey <span className="thin">API reference</span>
          </span>
        </a>
        <nav aria-label="Elsewhere">
          <a href="/">Sign in</a>
          <a href="/api/schema/">openapi.yaml</a>
        </nav>
      </header>
      <div className="frame">
        <Contents groups={groups} spec={spec} />
        <main id="content" tabIndex={-1}>
          <section className="opening" id="top">
            <h1>{text.title}</h1>
            <p className="lead">{spec.document.info.summary}</p>
            <div className="server" hidden />
          </section>
          {text.introduction.map((section) => (
            <Introduction key={section.id} section={section} />
          ))}
          <section className="trying" id="try-it" hidden>
            <div className="about">
              <Heading level={2} id="try-it">
                {text.contents.tryIt}
              </Heading>
              <Prose text={text.tryIntroduction} />
            </div>
            <div className="side">
              <Credentials />
            </div>
          </section>
          {groups.map((group) => (
            <section key={group.id} className="group" id={group.id} aria-labelledby={`${group.id}-title`}>
              <h2 id={`${group.id}-title`}>{group.title}</h2>
              <Prose text={group.description} />
              {group.operations.map((operation) => (
                <OperationPart key={operation.id} spec={spec} operation={operation} />
              ))}
            </section>
          ))}
          <section className="group" id="schemas">
            <Heading level={2} id="schemas">
              {text.contents.schemas}
            </Heading>
            <Prose text={text.schemasIntroduction} />
            {Object.keys(spec.schemas).map((name) => (
              <SchemaPart key={name} spec={spec} name={name} />
            ))}
          </section>
          <section className="group deviations" id="deviations">
            <Heading level={2} id="deviations">
              {text.deviationsTitle}
            </Heading>
            <Prose text={withoutTitle(deviations)} />
          </section>
        </main>
      </div>
    </>
  );
}

/** A keyhole cut from a rounded square. */
function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
      <path
        fill="currentColor"
        fillRule="evenodd"
        d="M8 1h16a7 7 0 0 1 7 7v16a7 7 0 0 1-7 7H8a7 7 0 0 1-7-7V8a7 7 0 0 1 7-7Zm8 6.5a5 5 0 0 0-2.6 9.27L11.9 24.5h8.2l-1.5-7.73A5 5 0 0 0 16 7.5Z"
      />
    </svg>
  );
}

interface Group {
  id: string;
  title: string;
  operations: Operation[];
}

function Contents({ groups, spec }: { groups: Group[]; spec: Spec }) {
  return (
    <div className="contents">
      <button type="button" className="unfold" aria-expanded="false" aria-controls="contents" hidden>
        Contents
      </button>
      <nav id="contents" aria-label="Contents">
        <div className="find" hidden>
          <label htmlFor="find">Find an operation</label>
          <input id="find" type="search" autoComplete="off" spellCheck={false} aria-keyshortcuts="/" />
          <output />
        </div>
        <p className="nav-title">{text.contents.introduction}</p>
        <ul>
          {text.introduction.map((section) => (
            <li key={section.id}>
              <a href={`#${section.id}`}>{section.title}</a>
            </li>
          ))}
          <li hidden data-script="">
            <a href="#try-it">{text.contents.tryIt}</a>
          </li>
        </ul>
        {groups.map((group) => (
          <div key={group.id} className="group-links">
            <p className="nav-title">
              <a href={`#${group.id}`}>{group.title}</a>
            </p>
            <ul>
              {group.operations.map((operation) => (
                <li key={operation.id}>
                  <a href={`#${operation.id}`}>
                    <span className="words">{operation.summary}</span> <Method name={operation.method} />
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
        <p className="nav-title">
          <a href="#schemas">{text.contents.schemas}</a>
        </p>
        <details>
          <summary>By name</summary>
          <ul>
            {Object.keys(spec.schemas).map((name) => (
              <li key={name}>
                <a href={`#schema-${name}`}>{name}</a>
              </li>
            ))}
          </ul>
        </details>
        <p className="nav-title">
          <a href="#deviations">{text.deviationsTitle}</a>
        </p>
      </nav>
    </div>
  );
}

function Introduction({ section }: { section: text.Section }) {
  return (
    <section className="intro" id={section.id}>
      <div className="about">
        <Heading level={2} id={section.id}>
          {section.title}
        </Heading>
        <Prose text={section.text} />
      </div>
      {section.samples && (
        <div className="side">
          {section.samples.map((sample) => (
            <Code
              key={sample.title}
              code={sample.code}
              language={sample.language}
              title={sample.title}
              name={`the example: ${sample.title}`}
            />
          ))}
        </div>
      )}
    </section>
  );
}

function Credentials() {
  return (
    <form className="credentials" id="credentials" aria-label="How to send the credential" autoComplete="off">
      <fieldset>
        <legend>How to send the credential</legend>
        <label>
          <input type="radio" name="mode" value="" defaultChecked /> <span>As a bearer token</span>
        </label>
        <label>
          <input type="radio" name="mode" value="cookie" />{" "}
          <span>
            As a cookie (<code>Auth-Mode: cookie</code>)
          </span>
        </label>
        <label>
          <input type="radio" name="mode" value="hybrid" />{" "}
          <span>
            Both (<code>Auth-Mode: hybrid</code>)
          </span>
        </label>
      </fieldset>
      <div className="field">
        <label htmlFor="bearer">Access token</label>
        <input id="bearer" type="password" autoComplete="off" autoCapitalize="none" spellCheck={false} />
      </div>
      <output className="note" id="mode-note" />
    </form>
  );
}

function SchemaPart({ spec, name }: { spec: Spec; name: string }) {
  const schema = spec.schemas[name] ?? {};
  const fields = fieldsOf(spec, schema, false);
  return (
    <section className="schema-part" id={`schema-${name}`}>
      <div className="about">
        <Heading level={3} id={`schema-${name}`}>
          {name}
        </Heading>
        {schema.description && <Prose text={schema.description} />}
        <Fields fields={fields} caption={`Fields of ${name}`} of="answer" />
        <SchemaRules schema={schema} />
        <UsedBy spec={spec} name={name} />
      </div>
      <div className="side">
        <Json value={schemaExample(spec, name)} title="Example" name={`the example of ${name}`} />
      </div>
    </section>
  );
}

function SchemaRules({ schema }: { schema: Schema }) {
  if (schema.properties) return null;
  const list = (values: unknown[] | undefined) => values?.map((value) => `\`${String(value)}\``).join(", ");
  const names = list(schema.propertyNames?.enum);
  const value = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  const lines = [
    schema.enum ? `One of ${list(schema.enum)}.` : "",
    schema.pattern ? `A string that matches \`${schema.pattern}\`.` : "",
    names ? `The names are of ${names}.` : "",
    value?.items ? `Each value is a list of texts.` : "",
  ].filter((line) => line !== "");
  return lines.map((line) => (
    <p key={line} className="note">
      <Line text={line} />
    </p>
  ));
}

/** Which operations take or give it, or something that has it. */
function UsedBy({ spec, name }: { spec: Spec; name: string }) {
  const users = spec.operations.filter((operation) => reaches(spec, operation, name));
  if (users.length === 0 || users.length > 8) return null;
  return (
    <p className="note used">
      In{" "}
      {users.map((operation, i) => (
        <span key={operation.id}>
          {i > 0 && ", "}
          <a href={`#${operation.id}`}>{operation.summary}</a>
        </span>
      ))}
      .
    </p>
  );
}

function reaches(spec: Spec, operation: Operation, name: string): boolean {
  const seen = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "$ref" && typeof inner === "string") {
        const found = nameOf(inner);
        if (seen.has(found)) continue;
        seen.add(found);
        visit(spec.resolve({ $ref: inner }));
      } else visit(inner);
    }
  };
  visit([operation.body, operation.answers]);
  return seen.has(name);
}

/** The Markdown without its heading, which the page has one of its own for. */
function withoutTitle(markdown: string): string {
  const first = blocks(markdown)[0];
  return first?.kind === "heading" ? markdown.trim().replace(/^#.*\n/, "") : markdown;
}
