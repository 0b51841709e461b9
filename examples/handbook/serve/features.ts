/** The handbook's features as they are deployed for its test week: what came before is left to `backfill`. */
import { featureRepository } from 'fraud-feature-store';
import { handbookFeatures } from '../declarations.ts';
import { LIVE_VARIANT } from '../live/features.ts';

/** The first day of the test week. */
export const LIVE_FROM = '2018-08-08T00:00:00Z';

export const repository = featureRepository(handbookFeatures({ ...LIVE_VARIANT, liveFrom: LIVE_FROM }));
