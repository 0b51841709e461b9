/** Options that several commands have, and what their values must be. */
import { InvalidArgumentError, Option } from 'commander';

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** @returns a parser of whole numbers within both bounds. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum}` : `${minimum} to ${maximum}`;
    throw new InvalidArgumentError(`It must be a whole number from ${range}.`);
  };
}

/** An address without a slash at its end. `localhost:4566` would be one with the scheme "localhost:". */
export function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href.replace(/\/$/, '');
  throw new InvalidArgumentError(
    `It must begin with http:// or https://, such as http://${/^[\w.-]+(:\d+)?$/.test(text) ? text : 'localhost:4566'}.`,
  );
}

export function featuresOption(): Option {
  return new Option(
    '--features <module>',
    'module that exports "repository"; by default what feature-store.config.ts names, in this folder or above',
  );
}

export function serviceOption(): Option {
  return new Option(
    '--service <name[@version]>',
    'the feature service; its newest version by default',
  ).makeOptionMandatory();
}

/** @param whose such as "a source of the service". */
export function historyOption(whose: string): Option {
  return new Option('--history <source=glob>', `Parquet files, a folder of them, or s3://BUCKET/PREFIX, of ${whose}`)
    .argParser(collect)
    .makeOptionMandatory();
}

/** @param service of AWS, such as "DynamoDB". */
export function endpointOption(service: string): Option {
  return new Option('--endpoint <url>', `of ${service}; by default that of the AWS region`).argParser(httpUrl);
}

export function bucketOption(): Option {
  return new Option(
    '--bucket <name>',
    'the bucket of configurations and models: the output DecisionsBucketName',
  ).makeOptionMandatory();
}

export function timeZoneOption(): Option {
  return new Option('--time-zone <offset>', 'UTC or +01:00: the offset of text instants that do not say it');
}

/** The end of a command's help. @param lines of one command line, without the program's name. */
export function example(...lines: readonly string[]): string {
  return `\nExample:\n  feature-store ${lines.join(' \\\n    ')}`;
}

export function probability(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}
