import { useState, type ReactNode } from "react";
import { Link } from "react-router";
import { paths } from "../../paths";
import { words } from "../../people/problems";
import { Heading } from "../../people/screen";
import { useText } from "../../text/text";
import { buttonClass } from "../../ui/button";
import { Failed } from "../../ui/state";
import { isRefused } from "./refused";
import { useLinksText } from "./text";

/** The token that this page was opened with; a newer link that is opened here takes its place. */
export function useToken(read: () => string): string {
  const [token, setToken] = useState(read);
  const now = read();
  if (now && now !== token) setToken(now);
  return now || token;
}

/** For a page without its token: it was loaded again, or the link was cut off. */
export function Gone() {
  const t = useLinksText();
  return <NoGood title={t.goneTitle} body={t.goneBody} />;
}

/** For a link that opens nothing any more. */
export function NoGood({ title, body }: { title: string; body: string }) {
  const text = useText();
  return (
    <div className="space-y-4 py-6">
      <Heading title={title} />
      <p className="text-soft">{body}</p>
      <Link to={paths.home} className={buttonClass("plain")}>
        {text.toHome}
      </Link>
    </div>
  );
}

/** For a check that failed: the link is no good, or that could not be found out. */
export function Unreached({
  error,
  onRetry,
  used,
}: {
  error: unknown;
  onRetry: () => void;
  used: ReactNode;
}) {
  const text = useText();
  if (isRefused(error)) return used;
  return (
    <>
      <h1 className="sr-only">{text.failedTitle}</h1>
      <Failed title={text.failedTitle} detail={words(error, text)} retry={text.tryAgain} onRetry={onRetry} />
    </>
  );
}
