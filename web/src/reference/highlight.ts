// Just enough colour for JSON, shell and JavaScript: strings, names, numbers,
// comments and a few words.

export type Kind = "name" | "string" | "number" | "word" | "comment" | "plain";

export interface Token {
  kind: Kind;
  text: string;
}

const patterns: Record<string, RegExp> = {
  json: /(?<name>"(?:\\.|[^"\\])*"(?=\s*:))|(?<string>"(?:\\.|[^"\\])*")|(?<word>\b(?:true|false|null)\b)|(?<number>-?\b\d+(?:\.\d+)?\b)/g,
  sh: /(?<name>"(?:\\.|[^"\\])*"(?=\s*:))|(?<string>"(?:\\.|[^"\\])*")|(?<word>(?<=^|\s)(?:curl|-[A-Za-z]|--[a-z-]+)(?=\s))|(?<comment>(?<=^|\s)# .*)/gm,
  js: /(?<comment>\/\/ .*)|(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|(?<word>\b(?:import|from|const|let|await|async|new|return|if|else|try|catch|throw|function|export|true|false|null)\b)|(?<number>\b\d+\b)/g,
};

/** Cuts code into tokens; put together again they are the code. */
export function highlight(code: string, language: string): Token[] {
  const pattern = patterns[language];
  if (!pattern) return [{ kind: "plain", text: code }];
  const tokens: Token[] = [];
  let end = 0;
  for (const match of code.matchAll(pattern)) {
    if (match.index > end) tokens.push({ kind: "plain", text: code.slice(end, match.index) });
    const [kind] = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined) ?? ["plain"];
    tokens.push({ kind: kind as Kind, text: match[0] });
    end = match.index + match[0].length;
  }
  if (end < code.length) tokens.push({ kind: "plain", text: code.slice(end) });
  return tokens;
}
