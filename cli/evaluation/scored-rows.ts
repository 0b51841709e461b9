/** Rows of which it is known what became of them, with what several models said about each. Columns, for speed. */
export interface ScoredRows {
  readonly isFraud: Uint8Array;
  readonly amounts: Float64Array;
  /** Days since 1970 UTC. */
  readonly days: Int32Array;
  /** Place of each row's card among all cards in ascending order; without cards, the row's own place. */
  readonly cards: Uint32Array;
  readonly cardCount: number;
  /** Whether rows say whose they are. */
  readonly hasCards: boolean;
  /** By key of the model: probability of fraud of each row. */
  readonly scores: ReadonlyMap<string, Float64Array>;
}

export interface ScoredRow {
  /** Whose row it is. All rows have one, or none has. */
  readonly card: string | undefined;
  /** Only cards are looked at by day. */
  readonly timeMillis: number;
  /** What it costs to miss it. */
  readonly amount: number;
  readonly isFraud: boolean;
  readonly scores: Readonly<Record<string, number>>;
}

const DAY_MILLIS = 86_400_000;

/** @param models keys; every row must have a score of each. */
export function scoredRows(rows: readonly ScoredRow[], models: readonly string[]): ScoredRows {
  const cardNames = [...new Set(rows.flatMap(({ card }) => card ?? []))].sort(byCodeUnits);
  const placeOfCard = new Map(cardNames.map((name, index) => [name, index]));
  const hasCards = cardNames.length > 0;
  return {
    isFraud: Uint8Array.from(rows, ({ isFraud }) => Number(isFraud)),
    amounts: Float64Array.from(rows, ({ amount }) => amount),
    days: Int32Array.from(rows, ({ timeMillis }) => Math.floor(timeMillis / DAY_MILLIS)),
    cards: Uint32Array.from(rows, ({ card }, row) => placeOfCard.get(card ?? '') ?? row),
    cardCount: hasCards ? cardNames.length : rows.length,
    hasCards,
    scores: new Map(
      models.map((model) => [model, Float64Array.from(rows, ({ scores }) => scores[model] ?? Number.NaN)]),
    ),
  };
}

function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
