import { Duration } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';

export const STAGES = ['local', 'dev', 'prod'] as const;

/** `local` is an emulator on this machine, `dev` may be torn down at any time, `prod` must not lose anything. */
export type Stage = (typeof STAGES)[number];

/** Requests a second that a route takes in the long run, and at once. More are answered with 429. */
export interface Throttle {
  readonly rate: number;
  readonly burst: number;
}

/** Nobody needs more of these, whatever the stage. */
const RARE = { trainingSets: { rate: 1, burst: 10 }, others: { rate: 10, burst: 20 } } as const;

/**
 * Delivery streams; or a lander on this machine at a URL, beside an emulator, which would convert one record at a time and
 * slow down its streams; or nobody.
 */
export type Landing =
  | { readonly by: 'firehose' }
  | { readonly by: 'lander'; readonly url: string }
  | { readonly by: 'nobody' };

/** Everything in which stages differ. What is the same in all of them is written where it is used. */
export interface StageConfig {
  readonly stage: Stage;
  /** Ids of events that force an outcome are refused. */
  readonly production: boolean;
  /** Data and the means to bring it back outlive a mistaken `cdk destroy`; deletion is refused. */
  readonly retainData: boolean;
  readonly logRetention: RetentionDays;
  readonly stream: {
    /** Provisioned capacity costs a third of an idle on-demand stream; on demand follows load without us. */
    readonly capacity: { readonly mode: 'on-demand' } | { readonly mode: 'provisioned'; readonly shardCount: number };
    /** How far back events can be replayed from the stream itself. */
    readonly retention: Duration;
  };
  readonly consumer: {
    /** The emulator's own trigger drops what a function hands back, so there a poller of ours drives the function. */
    readonly enabled: boolean;
    /** Batches of one shard in flight at once. Events of one partition key stay in order at any value. */
    readonly parallelizationFactor: number;
    readonly memoryMegabytes: number;
  };
  readonly serving: {
    readonly memoryMegabytes: number;
    /** Who may call the API: principals of IAM that sign their requests, or anyone who reaches it. */
    readonly authorization: 'iam' | 'none';
    readonly throttles: {
      /** Of each route that has none of its own. */
      readonly routes: Throttle;
      /** Of requests for training sets, each of which may run for a quarter of an hour and read `bytesScannedMax`. */
      readonly trainingSets: Throttle;
      /** Of everything that is no route. */
      readonly others: Throttle;
    };
    /** Instead of the deadlines of `functions/serve`: on a busy machine an emulator answers after hundreds of milliseconds. */
    readonly deadlineMillis?: number;
  };
  /** Who lands events and rows as history. */
  readonly landing: Landing;
  /** Answers wait until what they said is kept, so that whoever looks finds every row. */
  readonly waitsForRows: boolean;
  readonly trainingSets: {
    /** What Athena may read for one, at 5 USD a TB; a query that reads more is stopped. */
    readonly bytesScannedMax: number;
    /** A million rows with 36 columns take 3.2 GB at their peak. New accounts are allowed 3,008 MB. */
    readonly memoryMegabytes: number;
  };
  /** Alarms and a dashboard are deployed. An emulator neither computes metrics from logs nor evaluates alarms. */
  readonly monitored: boolean;
  /** Where clients inside functions find AWS; unset, they find AWS itself. */
  readonly endpointUrl?: string;
  /** Module whose `repository` the functions are bundled with; unset, the declarations that ship. */
  readonly featuresModule?: string;
  /** Who is told about alarms by email, beside other subscribers of the alarm topic. */
  readonly alarmEmail?: string;
}

const GIGABYTE = 1024 ** 3;

const LOCAL: StageConfig = {
  stage: 'local',
  production: false,
  retainData: false,
  logRetention: RetentionDays.ONE_DAY,
  stream: { capacity: { mode: 'provisioned', shardCount: 1 }, retention: Duration.hours(24) },
  consumer: { enabled: false, parallelizationFactor: 1, memoryMegabytes: 512 },
  // Emulators do not verify signatures.
  serving: {
    memoryMegabytes: 512,
    authorization: 'none',
    throttles: { ...RARE, routes: { rate: 10_000, burst: 5_000 } },
    deadlineMillis: 5_000,
  },
  landing: { by: 'nobody' },
  trainingSets: { bytesScannedMax: 10 * GIGABYTE, memoryMegabytes: 1_024 },
  waitsForRows: true,
  monitored: false,
};

const DEV: StageConfig = {
  stage: 'dev',
  production: false,
  retainData: false,
  logRetention: RetentionDays.ONE_WEEK,
  stream: { capacity: { mode: 'provisioned', shardCount: 1 }, retention: Duration.hours(24) },
  consumer: { enabled: true, parallelizationFactor: 1, memoryMegabytes: 1_024 },
  serving: { memoryMegabytes: 1_024, authorization: 'iam', throttles: { ...RARE, routes: { rate: 100, burst: 200 } } },
  landing: { by: 'firehose' },
  trainingSets: { bytesScannedMax: 100 * GIGABYTE, memoryMegabytes: 3_008 },
  waitsForRows: false,
  monitored: true,
};

const PROD: StageConfig = {
  stage: 'prod',
  production: true,
  retainData: true,
  logRetention: RetentionDays.THREE_MONTHS,
  stream: { capacity: { mode: 'on-demand' }, retention: Duration.days(7) },
  consumer: { enabled: true, parallelizationFactor: 4, memoryMegabytes: 1_769 },
  // 1,769 MB is one whole virtual processor: scoring is computation, and half a processor doubles its latency.
  serving: {
    memoryMegabytes: 1_769,
    authorization: 'iam',
    throttles: { ...RARE, routes: { rate: 2_000, burst: 4_000 } },
  },
  landing: { by: 'firehose' },
  trainingSets: { bytesScannedMax: 1024 * GIGABYTE, memoryMegabytes: 6_144 },
  waitsForRows: false,
  monitored: true,
};

const BY_STAGE: Readonly<Record<Stage, StageConfig>> = { local: LOCAL, dev: DEV, prod: PROD };

/** The configuration of a stage. @throws Error naming the stages when there is no such stage, or the options that clash. */
export function configOf(
  stage: string,
  options: {
    readonly endpointUrl?: string | undefined;
    readonly alarmEmail?: string | undefined;
    /** Instead of what the stage says. */
    readonly landsHistory?: boolean | undefined;
    /** Of a lander on this machine: stage `local` alone. */
    readonly landerUrl?: string | undefined;
    readonly featuresModule?: string | undefined;
    /** Instead of what the stage says: for an emulator that verifies signatures. */
    readonly authorization?: 'iam' | undefined;
  } = {},
): StageConfig {
  const known = STAGES.find((candidate) => candidate === stage);
  if (known === undefined)
    throw new Error(`There is no stage "${stage}"; choose one with -c stage=${STAGES.join('|')}`);
  const { endpointUrl, alarmEmail, featuresModule, authorization } = options;
  const config = BY_STAGE[known];
  const landing = landingOf(known, options);
  return {
    ...config,
    ...(authorization !== undefined && { serving: { ...config.serving, authorization } }),
    ...(endpointUrl !== undefined && { endpointUrl }),
    ...(alarmEmail !== undefined && { alarmEmail }),
    ...(landing !== undefined && { landing }),
    ...(featuresModule !== undefined && { featuresModule }),
  };
}

/** Instead of what the stage says. */
function landingOf(
  stage: Stage,
  { landsHistory, landerUrl }: { readonly landsHistory?: boolean | undefined; readonly landerUrl?: string | undefined },
): Landing | undefined {
  if (landerUrl === undefined)
    return landsHistory === undefined ? undefined : { by: landsHistory ? 'firehose' : 'nobody' };
  if (stage !== 'local')
    throw new Error(`-c landerUrl is for -c stage=local; stage ${stage} lands by delivery streams`);
  if (landsHistory !== undefined)
    throw new Error('-c landerUrl and -c landsHistory exclude each other; give one of them');
  if (!URL.canParse(landerUrl)) throw new Error(`-c landerUrl=${landerUrl}: write a URL such as http://127.0.0.1:4567`);
  return { by: 'lander', url: landerUrl };
}
