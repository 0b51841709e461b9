/** What is deployed when the model begins to decide. */
import { paymentsOf } from '../../support/payments.ts';

export const { repository, service } = paymentsOf();
