/** A process that holds a directory until it is killed, and says so. Its argument is the directory. */
import { holdDirectory } from '../../../localstack/run-directory.ts';

const [, , directory = ''] = process.argv;
await holdDirectory(directory);
console.log('held');
setInterval(() => {}, 60_000);
