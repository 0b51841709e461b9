import { resolve } from 'node:path';
import { Command } from 'commander';
import { httpUrl, wholeNumber } from '../../cli/options.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { LOCAL_DIRECTORY } from '../child-process.ts';
import { DEFAULT_PORT } from '../ministack.ts';

const EVENTS_MIN = 100;

export interface Options {
  readonly once: boolean;
  readonly port: number;
  readonly endpoint?: string;
  readonly events: number;
  readonly seed: number;
  /** Absolute. */
  readonly directory: string;
}

export function parseOptions(): Options {
  return new Command('npm start --')
    .description('Runs the feature store on this machine, streams card traffic through it and checks every feature.')
    .version(packageJson.version, '--version', 'print the version')
    .option('--once', 'end after the proof: exit code 0 when everything agrees, 1 otherwise', false)
    .option('--port <port>', 'port of the endpoint to start', wholeNumber(1, 65_535), DEFAULT_PORT)
    .option('--endpoint <url>', 'use this running endpoint (such as LocalStack) instead; lands no history', httpUrl)
    .option('--events <number>', 'transactions to simulate', wholeNumber(EVENTS_MIN, 100_000), 3_000)
    .option('--seed <number>', 'seed of the simulation', wholeNumber(0, 2 ** 31 - 1), 1)
    .option(
      '--directory <folder>',
      'folder of everything that a run writes',
      (folder) => resolve(folder),
      LOCAL_DIRECTORY,
    )
    .addHelpText(
      'after',
      '\nExample:\n  npm start -- --once --events 1000\n\n' +
        'Exit codes: 0 done, 1 something does not agree or cannot be run; codes in brackets are in docs/errors.md',
    )
    .parse()
    .opts<Options>();
}
