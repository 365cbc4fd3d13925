// The verbs: what the page asks the bench to do.

/** What came of a verb: `result`, or in `trouble` one sentence for the person who asked. */
export async function call(verb, parameters = {}) {
  let response;
  try {
    response = await fetch(`/api/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(parameters),
    });
  } catch {
    return { trouble: "The bench does not answer." };
  }
  const text = await response.text();
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    return { trouble: response.status === 500 ? "The bench has a defect: its log says which." : text };
  }
  const answer = JSON.parse(text);
  return response.ok ? answer : { trouble: answer.refused ?? `Something broke: ${answer.broken}` };
}
