import type { ApiDescription } from '../../functions/serve/ports.ts';

/** A deployment whose requests are signed. */
export const API: ApiDescription = { url: 'https://api.example.com', authorization: 'iam', offersTrainingSets: true };
