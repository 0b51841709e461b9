/** A process that takes a row, says so, and lands it only because a signal ends it. Its argument is the folder. */
import { beforeEnd } from '../../../../localstack/child-process.ts';
import { DiskLander } from '../../../../localstack/history/lander.ts';
import { delivery, row } from './fixtures.ts';

const [, , folder = ''] = process.argv;
const lander = await DiskLander.open({ folder, onError: console.error, flushAfterMillis: 3_600_000 });
beforeEnd(() => lander.close());
lander.land(delivery, [row('waits')]);
console.log('taken');
