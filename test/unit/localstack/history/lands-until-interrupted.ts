/**
 * A process that takes a row, says so, and lands it only because a signal ends it. Its arguments are the folder, and `success`
 * when its exit code is to be 0.
 */
import { beforeEnd } from '../../../../localstack/child-process.ts';
import { DiskLander } from '../../../../localstack/history/lander.ts';
import { delivery, row } from './fixtures.ts';

const [, , folder = '', outcome] = process.argv;
const lander = await DiskLander.open({ folder, onError: console.error, flushAfterMillis: 3_600_000 });
beforeEnd({ work: () => lander.close(), unfinished: () => lander.unlanded() ?? '' });
if (outcome === 'success') process.exitCode = 0;
lander.land(delivery, [row('waits')]);
console.log('taken');
