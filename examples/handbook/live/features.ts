/**
 * The handbook's features as they are deployed for its transactions to come live again: those before the training week are
 * left to `backfill`. An entity is forgotten a hundred years after its last event, or the store would expire those of 2018.
 */
import { featureRepository } from 'fraud-feature-store';
import { handbookFeatures } from '../declarations.ts';

/** The first day whose features the handbook publishes. */
export const LIVE_FROM = '2018-07-25T00:00:00Z';

export const LIVE_VARIANT = { liveFrom: LIVE_FROM, ttl: '36500d' } as const;

export const repository = featureRepository(handbookFeatures(LIVE_VARIANT));
