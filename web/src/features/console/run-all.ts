export type Outcome = { state: "running" } | { state: "done" } | { state: "failed"; error: unknown };

/**
 * Does the same to many, a few at a time, and reports of each. One that fails does not keep the others; what has not begun
 * when it is stopped is left.
 */
export async function runAll<T>(
  items: readonly T[],
  act: (item: T) => Promise<unknown>,
  report: (item: T, outcome: Outcome) => void,
  stopped: () => boolean,
  atOnce = 4,
): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    while (!stopped()) {
      const item = queue.shift();
      if (item === undefined) return;
      report(item, { state: "running" });
      try {
        await act(item);
        report(item, { state: "done" });
      } catch (error) {
        report(item, { state: "failed", error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
