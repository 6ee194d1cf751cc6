// One operation: what it does, what it takes, what it answers, and how to call it.

import { answerExamples, exampleOf, requestExample, type Example } from "./examples";
import { fieldsOf, rulesOf, typeOf, type Field } from "./fields";
import { Code, Fields, Heading, Json, Line, Prose, SchemaLink } from "./parts";
import { needsCredential, snippets, takesBearer } from "./snippets";
import { jsonSchema, nameOf, shapes, type Answer, type Operation, type Spec } from "./spec";
import { callers, reasons, shapeTitles } from "./text";

interface Props {
  spec: Spec;
  operation: Operation;
}

export function OperationPart({ spec, operation }: Props) {
  const good = operation.answers.filter((answer) => /^[23]/.test(answer.status));
  const bad = operation.answers.filter((answer) => !/^[23]/.test(answer.status));
  const examples = good.flatMap((answer) =>
    answerExamples(spec, operation, answer).map((example) => ({ answer, example })),
  );
  const { who, by } = callers(operation);
  const find = [operation.id, operation.method, operation.path, operation.summary].join(" ").toLowerCase();
  return (
    <section className="operation" id={operation.id} data-find={find}>
      <div className="about">
        <Heading level={3} id={operation.id}>
          {operation.summary}
        </Heading>
        <p className="endpoint">
          <Method name={operation.method} />
          <code className="path">
            {operation.path.split(/(?<=\/)/).map((part, i) => (
              <span key={i}>
                {part}
                <wbr />
              </span>
            ))}
          </code>
        </p>
        <p className="callers">
          <span className="label">Who may call</span> <strong>{who}</strong>
          {by && <span> ({by})</span>}
        </p>
        <Prose text={operation.description} />
        <Fields fields={parameterFields(spec, operation)} caption="Parameters" of="request" />
        <Body spec={spec} operation={operation} />
        <h4>Answers</h4>
        {good.map((answer) => (
          <GoodAnswer key={answer.status} spec={spec} answer={answer} />
        ))}
        <BadAnswers spec={spec} operation={operation} answers={bad} />
      </div>
      <div className="side">
        <h4 className="hidden">How to call it</h4>
        <div className="snippets">
          {snippets(spec, operation).map(({ language, title, code }) => (
            <div key={language} className="snippet" data-language={language} data-title={title}>
              <Code
                code={code}
                language={language === "curl" ? "sh" : "js"}
                title={title}
                name={`the request with ${title}: ${operation.summary}`}
              />
            </div>
          ))}
        </div>
        <TryIt spec={spec} operation={operation} />
        {examples.map(({ answer, example }, i) => {
          const when = example.schema && shapeTitles[example.schema];
          const json = (
            <Json
              value={example.value}
              title={<Status status={answer.status} />}
              name={`the answer${when ? ` ${when}` : ""}: ${operation.summary}`}
            />
          );
          const key = answer.status + (example.schema ?? "");
          return i === 0 || !when ? (
            <div key={key}>{json}</div>
          ) : (
            <details key={key} className="other">
              <summary>{when}</summary>
              {json}
            </details>
          );
        })}
      </div>
    </section>
  );
}

export function Method({ name }: { name: string }) {
  return <span className={`method m-${name.toLowerCase()}`}>{name}</span>;
}

function Status({ status }: { status: string }) {
  return (
    <span className="status">
      <strong>{status}</strong> {reasons[status]}
    </span>
  );
}

function parameterFields(spec: Spec, operation: Operation): (Field & { where: string })[] {
  return operation.parameters.map((parameter) => {
    const schema = parameter.schema ?? {};
    const own = spec.resolve(schema);
    const where =
      parameter.in === "path" ? "in the path" : parameter.in === "query" ? "in the query" : "a header";
    return {
      name: parameter.name,
      type: `${typeOf(spec, schema)}, ${where}`,
      presence: parameter.required ? "required" : "optional",
      rules: [
        ...(parameter.description ? [parameter.description.trim().replaceAll(/\s*\n\s*/g, " ")] : []),
        ...rulesOf(schema, own),
      ],
      schema: own,
      where: parameter.in,
    };
  });
}

function Body({ spec, operation }: Props) {
  const schema = jsonSchema(operation.body?.content);
  if (!schema) return null;
  const about = spec.resolve(schema).description;
  return (
    <>
      <Fields fields={fieldsOf(spec, schema, true)} caption="Body of the request" of="request" />
      <p className="note">
        {about && (
          <>
            <Line text={about.trim()} />{" "}
          </>
        )}
        {Object.keys(operation.body?.content ?? {}).length > 1 ? "JSON or a form. " : "JSON. "}
        {schema.$ref && (
          <>
            Its shape: <SchemaLink name={nameOf(schema.$ref)} />.
          </>
        )}
      </p>
    </>
  );
}

function GoodAnswer({ spec, answer }: { spec: Spec; answer: Answer }) {
  const schema = jsonSchema(answer.content);
  const several = schema ? shapes(schema) : [];
  return (
    <div className="answer" data-status={answer.status}>
      <p>
        <Status status={answer.status} /> <Line text={answer.description ?? ""} />
        {answer.content && !schema && (
          <>
            {" "}
            {Object.keys(answer.content)
              .map((type) => `(${type})`)
              .join(" ")}
          </>
        )}
      </p>
      <HeaderList spec={spec} answer={answer} />
      {several.map((shape, i) => {
        const name = shape.$ref && nameOf(shape.$ref);
        const fields = fieldsOf(spec, shape, true);
        const label = (name && shapeTitles[name]) ?? "Body of the answer";
        if (fields.length === 0) {
          return (
            <p key={label} className="note">
              {spec.resolve(shape).maxProperties === 0 ? "The body is an empty object." : null}
            </p>
          );
        }
        const shapeName = name ? <SchemaLink name={name} /> : null;
        const caption = several.length === 1 ? "Body of the answer" : "Fields";
        const table = (
          <Fields
            fields={fields}
            caption={
              <>
                {caption}
                {shapeName && <span className="when">{shapeName}</span>}
              </>
            }
            of="answer"
          />
        );
        return several.length === 1 ? (
          <div key={label}>{table}</div>
        ) : (
          <details key={label} open={i === 0}>
            <summary>{label}</summary>
            {table}
          </details>
        );
      })}
    </div>
  );
}

function BadAnswers({ spec, operation, answers }: Props & { answers: Answer[] }) {
  if (answers.length === 0) return null;
  return (
    <div className="errors">
      {answers.map((answer) => (
        <details key={answer.status} className="answer" data-status={answer.status}>
          <summary>
            <Status status={answer.status} /> <Line text={answer.description ?? ""} />
          </summary>
          <HeaderList spec={spec} answer={answer} />
          {answerExamples(spec, operation, answer).map((example) => (
            <Json
              key={JSON.stringify(example.value)}
              value={example.value}
              title={<ShapeTitle example={example} spec={spec} />}
              name={`the body of ${answer.status}: ${operation.summary}`}
            />
          ))}
        </details>
      ))}
    </div>
  );
}

function ShapeTitle({ example, spec }: { example: Example; spec: Spec }) {
  const known = example.schema !== undefined && spec.schemas[example.schema] !== undefined;
  return (
    <>
      {example.when ?? "Body"}
      {known && example.schema && (
        <span className="when">
          <SchemaLink name={example.schema} />
        </span>
      )}
    </>
  );
}

function HeaderList({ spec, answer }: { spec: Spec; answer: Answer }) {
  const headers = Object.entries(answer.headers ?? {});
  if (headers.length === 0) return null;
  return (
    <ul className="headers">
      {headers.map(([name, raw]) => {
        const header = spec.resolve(raw);
        const always = header.schema?.const;
        return (
          <li key={name}>
            <code>{name}</code>: <Line text={header.description ?? ""} />
            {always !== undefined && (
              <>
                {" "}
                <code>{String(always)}</code>
              </>
            )}
          </li>
        );
      })}
    </ul>
  );
}

// The form is there without a script, but hidden: it can do nothing then.
function TryIt({ spec, operation }: Props) {
  const schema = jsonSchema(operation.body?.content);
  const inputs = [
    // Auth-Mode is chosen once, for all forms.
    ...parameterFields(spec, operation).filter((field) => field.name !== "Auth-Mode"),
    ...(schema ? fieldsOf(spec, schema, false).map((field) => ({ ...field, where: "body" })) : []),
  ];
  const example = (requestExample(spec, operation) ?? {}) as Record<string, unknown>;
  const credential = needsCredential(operation)
    ? "required"
    : takesBearer(operation)
      ? "optional"
      : operation.security.length > 0 || operation.parameters.some((one) => one.name === "Auth-Mode")
        ? "cookie"
        : "none";
  const button = `Send ${operation.method} ${operation.path}`;
  return (
    <details className="try" hidden>
      <summary>Try it</summary>
      <form
        noValidate
        autoComplete="off"
        aria-label={`Try it: ${operation.summary}`}
        data-operation={operation.id}
        data-method={operation.method}
        data-path={operation.path}
        data-body={schema ? "json" : undefined}
        data-credential={credential}
      >
        {credential !== "none" && <p className="credential" />}
        {inputs.map((field) => (
          <Input
            key={field.where + field.name}
            id={`${operation.id}-${field.name}`}
            field={field}
            autoComplete={autoComplete(operation, field)}
            example={
              field.where === "body"
                ? example[field.name]
                : field.where === "query"
                  ? field.schema.default
                  : undefined
            }
          />
        ))}
        <div className="buttons">
          <button type="submit" className="send">
            {button}
          </button>
          {inputs.length > 0 && (
            <button type="button" className="fill">
              Fill in the example
            </button>
          )}
        </div>
        <output className="outcome" />
        <div className="result" hidden />
      </form>
    </details>
  );
}

/** What a password manager may put where. */
function autoComplete(operation: Operation, { name, schema }: Field): string {
  if (schema.format === "email") return "username";
  if (!name.includes("password")) return "off";
  return operation.id === "login" || name.startsWith("old") ? "current-password" : "new-password";
}

interface InputProps {
  id: string;
  field: Field & { where: string };
  autoComplete: string;
  example: unknown;
}

function Input({ id, field, autoComplete, example }: InputProps) {
  const shared = {
    id,
    name: field.name,
    "data-where": field.where,
    "data-type": [field.schema.type ?? "string"].flat()[0],
    "data-example": example === undefined ? undefined : String(example),
  };
  const choices = field.schema.enum;
  return (
    <div className="field">
      <label htmlFor={id}>
        <code>{field.name}</code> <span className="presence">{field.presence}</span>
      </label>
      {choices ? (
        <select {...shared}>
          <option value="">not sent</option>
          {choices.map((choice) => (
            <option key={String(choice)}>{String(choice)}</option>
          ))}
        </select>
      ) : (
        <input
          {...shared}
          type={
            field.name.includes("password") ? "password" : field.schema.format === "email" ? "email" : "text"
          }
          inputMode={field.schema.type === "integer" ? "numeric" : field.name === "phone" ? "tel" : undefined}
          autoComplete={autoComplete}
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
    </div>
  );
}

/** The example of a schema by itself. */
export function schemaExample(spec: Spec, name: string): unknown {
  return exampleOf(spec, { $ref: `#/components/schemas/${name}` });
}
