import { Duration } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { LOCAL_STAGE, type StageDeclaration } from '../shared/registry/store-config.ts';

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
  readonly store: string;
  readonly stage: string;
  /** `<store>-<stage>`, with which all names begin. */
  readonly prefix: string;
  /** Default: where credentials and environment of the shell say. */
  readonly account?: string;
  readonly region?: string;
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
  /** The module whose `repository` the functions are bundled with, absolute. */
  readonly featuresModule: string;
  /** Who is told about alarms by email, beside other subscribers of the alarm topic. */
  readonly alarmEmail?: string;
}

const GIGABYTE = 1024 ** 3;

/** What does not follow from the kind of a stage. */
type Named = 'store' | 'stage' | 'prefix' | 'featuresModule';
type StageKind = Omit<StageConfig, Named>;

const LOCAL: StageKind = {
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

/** May be torn down at any time. */
const DEVELOPMENT: StageKind = {
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

/** Must not lose anything. */
const PRODUCTION: StageKind = {
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

/** A stage of a store. */
export interface StageOfStore {
  readonly store: string;
  readonly stage: string;
  /** The module of its declarations, absolute. */
  readonly featuresModule: string;
}

/** The configuration of a stage on AWS, as `feature-store.config.ts` declares it. */
export function deployedConfig(named: StageOfStore, declared: StageDeclaration): StageConfig {
  const kind = declared.production ? PRODUCTION : DEVELOPMENT;
  const { account, region, alarmEmail, landsHistory, limits } = declared;
  const { serving, consumer, stream, trainingSets } = kind;
  const { rate, burst } = serving.throttles.routes;
  const routes = { rate: limits.requestsPerSecond ?? rate, burst: limits.requestBurst ?? burst };
  return {
    ...kind,
    ...namesOf(named),
    ...(account !== undefined && { account }),
    ...(region !== undefined && { region }),
    ...(alarmEmail !== undefined && { alarmEmail }),
    landing: { by: landsHistory ? 'firehose' : 'nobody' },
    stream: {
      capacity: capacityOf(limits.streamShards) ?? stream.capacity,
      retention: limits.streamHours === undefined ? stream.retention : Duration.hours(limits.streamHours),
    },
    consumer: {
      ...consumer,
      parallelizationFactor: limits.batchesPerShard ?? consumer.parallelizationFactor,
      memoryMegabytes: limits.consumerMemoryMegabytes ?? consumer.memoryMegabytes,
    },
    serving: {
      ...serving,
      memoryMegabytes: limits.servingMemoryMegabytes ?? serving.memoryMegabytes,
      throttles: { ...serving.throttles, routes },
    },
    trainingSets: {
      bytesScannedMax: limits.trainingSetBytes ?? trainingSets.bytesScannedMax,
      memoryMegabytes: limits.trainingSetMemoryMegabytes ?? trainingSets.memoryMegabytes,
    },
  };
}

function capacityOf(shards: number | 'on-demand' | undefined): StageConfig['stream']['capacity'] | undefined {
  if (shards === undefined) return undefined;
  return shards === 'on-demand' ? { mode: 'on-demand' } : { mode: 'provisioned', shardCount: shards };
}

/** The configuration of the stage `local`: an emulator on this machine. @throws Error naming options that clash. */
export function localConfig(
  named: Omit<StageOfStore, 'stage'>,
  options: {
    readonly endpointUrl?: string | undefined;
    /** Whether delivery streams land history. */
    readonly landsHistory?: boolean | undefined;
    /** Of a lander on this machine, in their place. */
    readonly landerUrl?: string | undefined;
    /** For an emulator that verifies signatures. */
    readonly authorization?: 'iam' | undefined;
  } = {},
): StageConfig {
  const { endpointUrl, authorization } = options;
  return {
    ...LOCAL,
    ...namesOf({ ...named, stage: LOCAL_STAGE }),
    ...(authorization !== undefined && { serving: { ...LOCAL.serving, authorization } }),
    ...(endpointUrl !== undefined && { endpointUrl }),
    landing: localLandingOf(options),
  };
}

function namesOf({ store, stage, featuresModule }: StageOfStore): Pick<StageConfig, Named> {
  return { store, stage, prefix: `${store}-${stage}`, featuresModule };
}

function localLandingOf({
  landsHistory = false,
  landerUrl,
}: {
  readonly landsHistory?: boolean | undefined;
  readonly landerUrl?: string | undefined;
}): Landing {
  if (landerUrl === undefined) return { by: landsHistory ? 'firehose' : 'nobody' };
  if (landsHistory) throw new Error('-c landerUrl and -c landsHistory exclude each other; give one of them');
  if (!URL.canParse(landerUrl)) throw new Error(`-c landerUrl=${landerUrl}: write a URL such as http://127.0.0.1:4567`);
  return { by: 'lander', url: landerUrl };
}
