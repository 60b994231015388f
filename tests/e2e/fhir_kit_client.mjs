// A session of fhir-kit-client with a server: node fhir_kit_client.mjs MODULE BASE-URL.
// Prints what it saw as JSON; an assertion that fails ends it with an exit code.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const [module, baseUrl] = process.argv.slice(2);
const { Client } = await import(pathToFileURL(module).href);
const client = new Client({ baseUrl });
const family = "Kit-Client";

async function refused(promise) {
  const error = await promise.then(() => assert.fail("not refused"), (reason) => reason);
  assert.equal(error.response.data.resourceType, "OperationOutcome");
  return error.response.status;
}

function patient(given) {
  return { resourceType: "Patient", name: [{ family, given: [given] }], gender: "unknown" };
}

async function pages(bundle) {
  const ids = [];
  let number = 0;
  for (let page = bundle; page; page = await client.nextPage({ bundle: page })) {
    number += 1;
    ids.push(...(page.entry ?? []).map((each) => each.resource.id));
  }
  return { number, ids };
}

const statement = await client.capabilityStatement();
assert.equal(statement.fhirVersion, "4.0.1");

const made = [];
for (const given of ["Ada", "Grace", "Joan", "Mary", "Rosalind"]) {
  made.push(await client.create({ resourceType: "Patient", body: patient(given) }));
}
const [ada] = made;
const { response } = Client.httpFor(ada);
assert.equal(response.status, 201);
assert.match(response.headers.get("location"), new RegExp(`/Patient/${ada.id}/_history/1$`));
assert.deepEqual(await client.read({ resourceType: "Patient", id: ada.id }), ada);

const search = { resourceType: "Patient", searchParams: { family, _count: 2, _sort: "given" } };
const found = await pages(await client.search(search));
assert.deepEqual(found.ids, made.map((each) => each.id));
const posted = await client.search({ ...search, options: { postSearch: true } });
assert.deepEqual(posted.entry.map((each) => each.resource.id), found.ids.slice(0, 2));

const jsonPatch = [
  { op: "test", path: "/gender", value: "unknown" },
  { op: "replace", path: "/gender", value: "female" },
];
const patched = await client.patch({ resourceType: "Patient", id: ada.id, jsonPatch });
assert.equal(patched.gender, "female");
const stale = { headers: { "If-Match": 'W/"1"' } };
const update = { resourceType: "Patient", id: ada.id, body: { ...ada, gender: "other" } };
assert.equal(await refused(client.update({ ...update, options: stale })), 412);
assert.equal((await client.update(update)).meta.versionId, "3");
const first = await client.vread({ resourceType: "Patient", id: ada.id, version: "1" });
assert.deepEqual(first, ada);
const history = await client.history({ resourceType: "Patient", id: ada.id });
assert.deepEqual(history.entry.map((each) => each.resource.gender), ["other", "female", "unknown"]);

const observation = {
  resourceType: "Observation",
  status: "final",
  code: { text: "pulse" },
  subject: { reference: `Patient/${ada.id}` },
};
const entry = (resource) => ({ resource, request: { method: "POST", url: resource.resourceType } });
const bundle = (type, entries) => ({ resourceType: "Bundle", type, entry: entries });
const done = await client.transaction({ body: bundle("transaction", [entry(observation)]) });
assert.equal(done.type, "transaction-response");
const searchParams = { subject: `Patient/${ada.id}`, status: "final" };
const mine = await client.search({ resourceType: "Observation", searchParams });
assert.equal(mine.entry.length, 1);
const subject = mine.entry[0].resource.subject.reference;
assert.equal((await client.resolve({ reference: subject, context: mine })).id, ada.id);
const wrong = entry({ resourceType: "Observation", status: "final" });
const none = bundle("transaction", [entry(patient("Nobody")), wrong]);
assert.ok([400, 422].includes(await refused(client.transaction({ body: none }))));
const some = await client.batch({ body: bundle("batch", [entry(patient("Somebody")), wrong]) });
const batch = some.entry.map((each) => Number(each.response.status.slice(0, 3)));

await client.delete({ resourceType: "Patient", id: found.ids[1] });
const gone = await refused(client.read({ resourceType: "Patient", id: found.ids[1] }));
const left = await pages(await client.search(search));

console.log(JSON.stringify({ pages: found.number, batch, gone, left: left.ids.length }));
