/** How writers frame what should be an event: who does so, the bytes, and what the problem must name. */
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { START_MILLIS } from '../../support/arbitraries.ts';

/** An event of `testSource`. */
export const EVENT = {
  event_id: 'e',
  account_id: 'a',
  at: START_MILLIS,
  amount: 1,
  quantity: 1,
  label: 'x',
  ratio: 0.5,
};
const TEXT = JSON.stringify(EVENT);
const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const bytes = (hex: string, then: Uint8Array | string = '') =>
  Buffer.concat([Buffer.from(hex, 'hex'), Buffer.from(then)]);
const withAmount = (value: string) => TEXT.replace('"amount":1', `"amount":${value}`);

export interface Frame {
  readonly writer: string;
  readonly content: Uint8Array | string | object;
  readonly got: string;
}

export const FRAMES: readonly Frame[] = [
  // Several, or none.
  { writer: 'nobody: an empty record', content: '', got: 'no bytes' },
  { writer: 'a file that ends in a blank line', content: '\r\n', got: 'white space alone' },
  {
    writer: 'async-kinesis JsonLineProcessor, Flink, Logstash json_lines',
    content: `${TEXT}\n${TEXT}\n`,
    got: 'several JSON documents',
  },
  {
    writer: 'Firehose without AppendDelimiter, two writes to one buffer',
    content: TEXT + TEXT,
    got: 'several JSON documents',
  },
  { writer: 'rows joined by commas', content: `${TEXT},${TEXT}`, got: 'several JSON documents' },
  {
    writer: 'async-kinesis JsonListProcessor, Fluent Bit http format json',
    content: `[${TEXT},${TEXT}]`,
    got: 'a JSON array',
  },
  {
    writer: 'an array of 200 KB',
    content: `[${Array.from({ length: 2_000 }, () => TEXT).join()}]`,
    got: 'a JSON array',
  },
  { writer: 'JSON Lines of 200 KB', content: `${TEXT}\n`.repeat(2_000), got: 'several JSON documents' },
  { writer: 'RFC 7464, GeoJSON text sequences', content: `\u001e${TEXT}\n`, got: 'a JSON text sequence' },
  { writer: 'async-kinesis NetstringSerializer', content: `${TEXT.length}:${TEXT},`, got: 'netstrings' },
  { writer: 'an HTTP event stream', content: `data: ${TEXT}\n\n`, got: 'server-sent events' },
  // Compressed.
  { writer: 'CloudWatch Logs subscriptions', content: gzipSync(TEXT), got: 'gzip' },
  { writer: 'Python zlib.compress', content: deflateSync(TEXT), got: 'zlib' },
  { writer: 'zlib level 1', content: deflateSync(TEXT, { level: 1 }), got: 'zlib' },
  { writer: 'librdkafka zstd, Vector', content: zstdCompressSync(TEXT), got: 'zstd' },
  { writer: 'lz4 frames', content: bytes('04224d186440a7', TEXT), got: 'LZ4' },
  { writer: 'snappy framing', content: bytes('ff060000734e61507059', TEXT), got: 'Snappy' },
  { writer: 'snappy-java', content: bytes('82534e415050590000000001', TEXT), got: 'Snappy' },
  { writer: 'bzip2', content: bytes('425a683931415926', '\u0000'), got: 'bzip2' },
  { writer: 'xz', content: bytes('fd377a585a000004'), got: 'xz' },
  { writer: 'zip', content: bytes('504b030414000000'), got: 'zip' },
  // With a header, or in another encoding.
  {
    writer: 'Confluent KafkaJsonSchemaSerializer',
    content: bytes('0000000007', TEXT),
    got: "Confluent's schema registry",
  },
  {
    writer: 'Confluent KafkaAvroSerializer',
    content: bytes('000000010a', '\u0002e\u0002a'),
    got: "Confluent's schema registry",
  },
  { writer: 'Glue schema registry', content: bytes(`0300${'01'.repeat(16)}`, TEXT), got: "Glue's schema registry" },
  {
    writer: 'Glue schema registry, compressed',
    content: bytes(`0305${'01'.repeat(16)}`, deflateSync(TEXT)),
    got: "Glue's schema registry",
  },
  { writer: 'Avro files', content: bytes('4f626a0104166176726f2e736368656d61'), got: 'an Avro file' },
  { writer: 'Avro single objects', content: bytes('c3010102030405060708', 'e'), got: 'an Avro object' },
  { writer: 'Parquet', content: bytes('504152311504151015', '\u0000PAR1'), got: 'a Parquet file' },
  { writer: 'ORC', content: bytes('4f52430a0b0a0300'), got: 'an ORC file' },
  { writer: 'Arrow IPC files', content: bytes('4152524f57310000ffffffff'), got: 'an Arrow file' },
  { writer: 'msgpack-python, Fluentd', content: bytes('87a86576656e745f6964a165'), got: 'MessagePack' },
  { writer: 'cbor2', content: bytes('a7686576656e745f69646165'), got: 'CBOR' },
  { writer: 'cbor2, of many members', content: bytes('b818686576656e745f69646165'), got: 'CBOR' },
  { writer: 'cbor2 with its tag', content: bytes('d9d9f7a7686576656e745f6964'), got: 'CBOR' },
  { writer: 'Jackson Smile', content: bytes('3a290a05fa876576656e745f6964'), got: 'Smile' },
  { writer: 'Amazon Ion, QLDB streams', content: bytes('e00100eaee9a8183'), got: 'Ion' },
  { writer: 'Java ObjectOutputStream', content: bytes('aced000573720011'), got: 'Java object' },
  { writer: 'Python pickle', content: bytes('80049544000000000000007d94'), got: 'pickle' },
  { writer: 'Protobuf', content: bytes('0a0165120161189f9c01'), got: 'no text (0A 01 65 12 …), such as Protobuf' },
  { writer: 'PowerShell 5 Out-File, .NET Encoding.Unicode', content: bytes('fffe', utf16(TEXT)), got: 'UTF-16' },
  { writer: 'UTF-16 without its mark', content: utf16(TEXT), got: 'UTF-16' },
  { writer: 'UTF-16, big end first', content: utf16(TEXT).swap16(), got: 'UTF-16' },
  {
    writer: 'Latin-1',
    content: Buffer.from(TEXT.replace('"x"', '"Müller"'), 'latin1'),
    got: 'bytes that are not UTF-8',
  },
  // Text that is not JSON.
  {
    writer: 'AWS command line, version 1; base64 of it twice',
    content: Buffer.from(TEXT).toString('base64'),
    got: 'base64 text',
  },
  {
    writer: 'MIME',
    content: Buffer.from(JSON.stringify(EVENT, null, 2))
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n'),
    got: 'base64 text',
  },
  { writer: 'base64 of gzip', content: gzipSync(TEXT).toString('base64'), got: 'base64 text' },
  {
    writer: 'security event tokens (RFC 8417)',
    content: 'eyJhbGciOiJub25lIn0.eyJldmVudF9pZCI6ImUifQ.',
    got: 'a JSON Web Token',
  },
  { writer: 'CSV', content: `e,a,${START_MILLIS},1,1,x,0.5`, got: 'CSV' },
  { writer: 'DMS with CSV, Redshift UNLOAD', content: 'e|a|1|1|x|0.5', got: 'CSV' },
  { writer: 'ISO 20022, SOAP', content: '<Document><TxId>e</TxId></Document>', got: 'XML' },
  { writer: 'logfmt', content: 'event_id=e account_id=a amount=1', got: 'names and values with "="' },
  { writer: 'HTML forms', content: 'event_id=e&account_id=a&amount=1', got: 'names and values with "="' },
  { writer: 'words', content: 'hello', got: 'text that is not JSON' },
  { writer: 'Python json.dumps of nan', content: withAmount('NaN'), got: 'a bare NaN or Infinity' },
  { writer: 'Python json.dumps of -inf', content: withAmount('-Infinity'), got: 'a bare NaN or Infinity' },
  { writer: 'Python str(dict)', content: TEXT.replaceAll('"', "'"), got: 'single quotes' },
  { writer: 'Python repr within JSON', content: withAmount('None'), got: 'None, True or undefined' },
  { writer: 'JSON5, JavaScript', content: TEXT.replace('"amount"', 'amount'), got: 'names without double quotes' },
  { writer: 'templates', content: `${TEXT.slice(0, -1)},}`, got: 'a comma before a closing bracket' },
  { writer: 'JSONC', content: `${TEXT.slice(0, -1)} // one\n}`, got: 'a comment' },
  { writer: 'COBOL copybooks', content: withAmount('0012'), got: 'a leading zero' },
  {
    writer: 'templates with a line break',
    content: TEXT.replace('"x"', '"x\n"'),
    got: 'a line break or a control character within a string',
  },
  { writer: 'a buffer that was too short', content: TEXT.slice(0, -2), got: 'JSON that breaks off' },
  { writer: 'a buffer that was too short, within a name', content: TEXT.slice(0, 20), got: 'JSON that breaks off' },
  { writer: 'a C string', content: `${TEXT}\u0000`, got: 'text after the JSON object' },
  {
    writer: 'an attack',
    content: withAmount(`${'['.repeat(9_000)}${'1'.repeat(30)}${']'.repeat(9_000)}`),
    got: 'levels',
  },
  // JSON that is not an event.
  { writer: 'Kafka tombstones', content: 'null', got: 'null, which deletes in Kafka' },
  { writer: 'json.dumps twice', content: JSON.stringify(TEXT), got: 'JSON within a JSON string' },
  {
    writer: 'base64 within JSON',
    content: JSON.stringify(Buffer.from(TEXT).toString('base64')),
    got: 'base64 within a JSON string',
  },
  { writer: 'a word in quotes', content: '"x"', got: 'a JSON string' },
  { writer: 'a counter', content: '42', got: 'a JSON number' },
  {
    writer: 'Debezium with its schema',
    content: { schema: {}, payload: { before: null, after: EVENT, source: {}, op: 'c' } },
    got: 'Debezium',
  },
  {
    writer: 'Debezium Server on Kinesis',
    content: { before: null, after: EVENT, source: {}, op: 'c', ts_ms: 1, transaction: null },
    got: 'Debezium',
  },
  { writer: 'Kafka Connect JsonConverter', content: { schema: {}, payload: EVENT }, got: 'Kafka Connect' },
  { writer: 'DMS', content: { data: EVENT, metadata: { 'record-type': 'data' } }, got: 'Database Migration Service' },
  {
    writer: 'DMS control records',
    content: { control: {}, metadata: { 'record-type': 'control' } },
    got: 'Database Migration Service',
  },
  {
    writer: 'DynamoDB to Kinesis',
    content: { eventName: 'INSERT', dynamodb: {}, tableName: 't' },
    got: 'DynamoDB table',
  },
  { writer: 'EventBridge', content: { 'detail-type': 'x', source: 's', detail: EVENT, id: 'i' }, got: 'EventBridge' },
  {
    writer: 'CloudEvents, structured',
    content: { specversion: '1.0', id: 'i', type: 't', source: '/s', data: EVENT },
    got: 'CloudEvents',
  },
  { writer: 'SNS', content: { Type: 'Notification', TopicArn: 't', Message: TEXT }, got: 'SNS' },
  { writer: 'Pipes from SQS', content: { messageId: 'm', receiptHandle: 'r', body: TEXT }, got: 'SQS' },
  {
    writer: 'Pipes from Kinesis',
    content: { kinesisSchemaVersion: '1.0', partitionKey: 'k', data: 'e30=' },
    got: 'another Kinesis stream',
  },
  {
    writer: 'a Lambda event forwarded',
    content: { kinesis: { data: 'e30=' }, eventSource: 'aws:kinesis' },
    got: 'another Kinesis stream',
  },
  { writer: 'a Lambda batch forwarded', content: { Records: [] }, got: 'a batch of records' },
  {
    writer: 'CloudWatch Logs, inflated',
    content: { messageType: 'DATA_MESSAGE', logGroup: 'g', logEvents: [] },
    got: 'CloudWatch Logs',
  },
  { writer: 'OpenTelemetry', content: { resourceLogs: [] }, got: 'OpenTelemetry' },
  { writer: 'MongoDB', content: { operationType: 'insert', fullDocument: EVENT, ns: {} }, got: 'MongoDB' },
  { writer: 'Maxwell', content: { database: 'd', table: 't', type: 'insert', ts: 1, data: EVENT }, got: 'Maxwell' },
  { writer: 'Google Pub/Sub', content: { message: { data: 'e30=' }, subscription: 's' }, got: 'Pub/Sub' },
  { writer: 'Fluent Bit', content: { log: TEXT, stream: 'stdout' }, got: 'a line of a log' },
  { writer: 'Logstash', content: { '@timestamp': 't', '@version': '1', message: TEXT }, got: 'a line of a log' },
];
