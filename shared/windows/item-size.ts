import type { Attribute, Item } from './item.ts';

/**
 * Size of an item in bytes by DynamoDB's published rules: names and text in UTF-8, bytes as they are, numbers about half a byte per
 * significant digit plus one, sets the sum of their members, lists 3 bytes plus their members and one each.
 */
export function itemBytes(item: Item): number {
  let bytes = 0;
  for (const name in item) {
    const attribute = item[name];
    if (attribute) bytes += attributeBytes(name, attribute);
  }
  return bytes;
}

/** Size of one attribute, its name included. */
export function attributeBytes(name: string, attribute: Attribute): number {
  return Buffer.byteLength(name) + valueBytes(attribute);
}

function valueBytes(attribute: Attribute): number {
  if ('N' in attribute) return Math.ceil(attribute.N.replace(/^-?0*\.?0*|\D|0+$/g, '').length / 2) + 1;
  if ('B' in attribute) return attribute.B.byteLength;
  if ('S' in attribute) return Buffer.byteLength(attribute.S);
  if ('SS' in attribute) return attribute.SS.reduce((sum, member) => sum + Buffer.byteLength(member), 0);
  return attribute.L.reduce((sum, member) => sum + valueBytes(member) + 1, 3);
}
