/** A promise of the product that is tried many times over, with a figure that says by how much it is missed. */
export interface Trial {
  /** By which `npm run trial --` calls it. */
  readonly name: string;
  /** One sentence. */
  readonly proves: string;
  run(options: TrialOptions): Promise<{ readonly json: object; readonly ok: boolean }>;
}

export interface TrialOptions {
  /** How often; every trial has its own default. */
  readonly trials?: number;
  /** The same seed makes the same trials. */
  readonly seed?: number;
}
