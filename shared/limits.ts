/**
 * Every limit of the product, with its reason and what happens there.
 * Relations between limits are asserted at the end, so that changing one cannot silently break another.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

export const LIMITS = {
  /** DynamoDB refuses items above 400 KB. Such an update is refused and its events are quarantined. */
  itemBytes: 400 * 1024,

  /** DynamoDB's limit for a partition key. */
  itemKeyBytes: 2_048,

  /** Half of an item's key is left to its entity; the rest names view, version and lane. Longer → refused. */
  entityKeyBytes: 1_024,

  /** Identifiers longer than this are no identifiers. Longer → the event is refused, naming the field. */
  identifierCharacters: 256,

  /** One event as JSON text. Larger → quarantine. Bounds what one record may cost to parse. */
  eventBytes: 64 * 1024,

  /**
   * Levels of lists and objects in JSON, far more than any encoder writes. Deeper → refused. Bounds the recursion of all that looks
   * into a value, which would otherwise end at a depth that depends on its caller.
   */
  jsonDepth: 1_000,

  /**
   * Bytes of an aggregated record for each event in it. No event is as short, with its field names, its id and its time. Fewer →
   * the record is quarantined whole. Bounds how many events, and lines in quarantine, a few bytes can become.
   */
  aggregatedEventBytes: 16,

  /**
   * Operators and functions in the conditions of one `UpdateItem`. DynamoDB allows 300, and 4 KB of text, of which each
   * takes at most 15.5 bytes (`attribute_not_exists(#xx) AND ` has two). How many events fit follows from the view's
   * cells; a larger group of one entity is applied in several updates.
   */
  updateOperators: 256,

  /** Attributes that one `UpdateItem` changes: `#xx=:xx,` is 8 bytes of the 4 KB that DynamoDB allows. */
  updateChanges: 400,

  /** Attributes that one maintenance update removes: `#xx,` is 4 bytes of DynamoDB's 4 KB. The rest waits for the next. */
  maintenanceRemovals: 900,

  /**
   * Maintenance (expiry, merging and packing) costs one more write. It runs when it frees at least this many bytes: about
   * ten events' worth, after which an item costs a write unit more each time.
   */
  maintenanceBytesFreed: 512,

  /** Attempts of one update against competing writers. Each refusal means that another writer succeeded. */
  updateAttempts: 100,

  /**
   * A decimal has at most 15 significant digits: a double carries each of them faithfully, so the number in an event,
   * in an expression and in an answer is the same number, while sums are kept as exact integers. Whole numbers may be
   * larger, up to 2^53 − 1; those whose squares are summed have at most as many digits.
   */
  decimalDigits: 15,

  /** DynamoDB adds numbers exactly up to 38 significant digits. */
  storedDigits: 38,

  /**
   * Ids of events are kept at least this long behind the newest event, longer if lateness demands it. Exactly-once needs
   * only the allowed lateness. The rest is for callers: within it, an event that is sent again with a new time is still
   * the same event, and a decision that is asked for again does not put its event into the windows a second time.
   */
  eventIdRetentionMillis: 1 * MINUTE,

  /** An event further ahead of its arrival than this is quarantined: it would freeze its entity until then. */
  futureToleranceMillis: 5 * MINUTE,

  /**
   * How far the time of a decided event may lie from its arrival, before and after, and still be believed; the allowed
   * lateness of its source, where that is longer. Further → counted, but `skewed`, which rules can review.
   */
  skewToleranceMillis: 5 * SECOND,

  /**
   * Instants lie in the years 2000 to 9999, so that seconds, milliseconds, microseconds and nanoseconds are told apart by
   * their size. Others → refused, naming the field.
   */
  earliestInstantMillis: Date.UTC(2000, 0, 1),
  latestInstantMillis: Date.UTC(9999, 11, 31) - 1,

  /**
   * Hashes that a sample of distinct values keeps, about, for every window: standard error 1/√4096 = 1.6 %. Up to twice
   * as many values are counted exactly.
   */
  distinctSampleSize: 4_096,

  /** Relative accuracy of quantiles (DDSketch): the answer is within 1 % of a value of that rank. */
  quantileRelativeAccuracy: 0.01,

  /** Entity rows in one `POST /features`. More → refused. */
  entityRowsPerRequest: 100,

  /** Body of one HTTP request; one event alone may have `eventBytes`. Larger → refused with 413. */
  requestBytes: 1024 * 1024,

  /** Events in one `POST /events`: what Kinesis takes in one `PutRecords`. More → refused. */
  eventsPerRequest: 500,

  /** Items per `BatchGetItem`, a DynamoDB limit; longer reads are split. */
  itemsPerBatchGet: 100,

  /** Lanes over which one hot entity may be spread; every read of it costs that many items. */
  lanesPerView: 64,

  /** Nesting of an expression tree; deeper → refused when it is built. Bounds the recursion of compilers. */
  expressionDepth: 256,

  /** Nodes, list members and table entries of one expression; more → refused. A table that long belongs in a view. */
  expressionValues: 10_000,

  /** Entities on one allow or deny list of a configuration, which every serving function holds in memory. More → refused. */
  listedEntities: 10_000,

  /** A model package as it is stored, compressed. Larger → not read; its configuration decides without a model. */
  modelPackageBytes: 32 * 1024 * 1024,

  /**
   * Readings of slow-moving views that a serving function keeps in memory: about 1 KB each, so 10 MB. More entities than
   * that → the store is asked for those that were not used for longest.
   */
  cachedReadings: 10_000,

  /** How old a reading may be that stands in while the store does not answer. Older → the view is missing. */
  rememberedReadingMillis: 15 * MINUTE,

  /** Models that score in the shadow beside the one that decides: each costs every decision its evaluation. */
  challengers: 4,

  /** Features an online request may name, and views a service may join. */
  featuresPerRequest: 500,

  /**
   * A model's file. A thousand trees of depth eight are about 30 MB as JSON; a function must hold it, and what it is
   * parsed into, beside everything else. Larger → refused before it is parsed.
   */
  modelFileBytes: 64 * 1024 * 1024,

  /** A model's package, inflated: its model as a JSON text, and a document. Larger → refused without inflating the rest. */
  inflatedPackageBytes: 80 * 1024 * 1024,

  /** Trees of a model: a walk through each is part of every decision, and takes about 20 ns. More → refused. */
  modelTrees: 10_000,

  /** Nodes of all trees of a model, 28 bytes each in memory. More → refused. */
  modelNodes: 1_000_000,

  /** Splits on the way to a leaf. Explaining recurses that deep, and its cost grows with the square. Deeper → refused. */
  modelDepth: 128,

  /** Inputs of a model: features, derived features and fields of one event. More → refused. */
  modelInputs: 1_000,
} as const;

/** An assertion that fails the load of the module, and so every build and test, with its sentence. */
function relation(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(`Limits contradict each other: ${sentence}`);
}

relation(LIMITS.decimalDigits <= 15, 'a double carries only 15 decimal digits faithfully');
relation(
  LIMITS.decimalDigits * 2 + 8 <= LIMITS.storedDigits,
  'a bucket must hold the squares of 10^8 decimals or bounded whole numbers without losing a digit',
);
relation(
  LIMITS.latestInstantMillis < LIMITS.earliestInstantMillis * 1_000,
  'milliseconds and microseconds must be told apart by their size',
);
const EXPRESSION_BYTES = 4_096;
relation(LIMITS.updateOperators * 15.5 <= EXPRESSION_BYTES, 'conditions must fit an expression');
relation(LIMITS.updateChanges * 8 + 64 <= EXPRESSION_BYTES, 'changes must fit an expression');
relation(LIMITS.maintenanceRemovals * 4 + 64 <= EXPRESSION_BYTES, 'maintenance must fit an expression');
relation(LIMITS.entityKeyBytes * 2 <= LIMITS.itemKeyBytes, 'an entity key must leave room for the name of its view');
relation(LIMITS.eventBytes <= LIMITS.requestBytes, 'an event must fit a request');
relation(LIMITS.identifierCharacters * 4 <= LIMITS.entityKeyBytes, 'an identifier must fit an entity key in UTF-8');
relation(LIMITS.modelFileBytes < LIMITS.inflatedPackageBytes, 'a package must hold a model and its document');
relation(LIMITS.modelInputs >= LIMITS.featuresPerRequest, 'a model may use every feature of a request');
