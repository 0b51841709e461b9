import { SingleBar } from 'cli-progress';

/** What is printed goes through here, so that tests read it. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
}

/** A bar on standard error, where that is a terminal. */
export function progressBar(unit: string) {
  const bar = new SingleBar({ format: `{bar} {value}/{total} ${unit}, {eta_formatted} left`, clearOnComplete: true });
  return {
    show: ({ done, total }: { readonly done: number; readonly total: number | undefined }) => {
      if (!bar.isActive) bar.start(total ?? done, 0);
      bar.setTotal(total ?? done);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(3)} MB`;
}
