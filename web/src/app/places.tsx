import { useEffect } from "react";
import { Link, useRouteError } from "react-router";
import { Heading } from "../people/screen";
import { useText } from "../text/text";
import { Button, buttonClass } from "../ui/button";
import { Shape } from "../ui/state";
import { paths } from "../paths";
import { Frame } from "./frame";

/** For an address that is nobody's. */
export function NotFound() {
  const text = useText();
  return (
    <Frame narrow>
      <div className="space-y-4 py-10">
        <Heading title={text.notFoundTitle} />
        <p className="text-soft">{text.notFoundBody}</p>
        <Link to={paths.home} className={buttonClass("primary")}>
          {text.toHome}
        </Link>
      </div>
    </Frame>
  );
}

/** For a screen that is on its way. */
export function Coming() {
  const text = useText();
  return (
    <>
      <h1 className="sr-only">{text.loading}</h1>
      <Shape label={text.loading} />
    </>
  );
}

/** For a screen that broke. */
export function Broken() {
  const text = useText();
  const error = useRouteError();
  useEffect(() => console.error(error), [error]);
  return (
    <div role="alert" className="mx-auto max-w-lg space-y-4 px-4 py-10">
      <Heading title={text.errorTitle} />
      <p className="text-soft">{text.errorBody}</p>
      <Button kind="primary" onClick={() => location.reload()}>
        {text.reload}
      </Button>
    </div>
  );
}

/** For a server that does not answer at all. */
export function Away({ onRetry }: { onRetry: () => void }) {
  const text = useText();
  return (
    <div role="alert" className="mx-auto max-w-lg space-y-4 py-10">
      <Heading title={text.awayTitle} />
      <p className="text-soft">{text.awayBody}</p>
      <Button onClick={onRetry}>{text.tryAgain}</Button>
    </div>
  );
}
