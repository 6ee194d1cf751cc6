import { zodResolver } from "@hookform/resolvers/zod";
import type { Profile, ProfileUpdate } from "@latchkey/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useForm } from "react-hook-form";
import { useBlocker } from "react-router";
import * as z from "zod/mini";
import { applyServerErrors, ownProblems, sentences, words } from "../../people/problems";
import { profileQuery } from "../../people/queries";
import { RoleBadge } from "../../people/role";
import { Heading } from "../../people/screen";
import { client } from "../../session";
import { useLanguage, useText } from "../../text/text";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/confirm";
import { Field } from "../../ui/field";
import { Failed, Shape } from "../../ui/state";
import { Summary, type Problem } from "../../ui/summary";
import { Ago, Day } from "../../ui/time";
import { useToast } from "../../ui/toast";

export function Component() {
  const text = useText();
  const query = useQuery(profileQuery);
  return (
    <div className="max-w-2xl space-y-6">
      <Heading title={text.profileTitle} />
      {query.data ? (
        <Form profile={query.data} />
      ) : query.isError ? (
        <Failed
          title={text.failedTitle}
          detail={words(query.error, text)}
          retry={text.tryAgain}
          onRetry={() => void query.refetch()}
        />
      ) : (
        <Shape label={text.loading} rows={4} />
      )}
    </div>
  );
}

const names = ["first_name", "last_name", "phone"] as const;

function Form({ profile }: { profile: Profile }) {
  const text = useText();
  const { language } = useLanguage();
  const toast = useToast();
  const queries = useQueryClient();
  const [problems, setProblems] = useState<Problem[]>([]);
  const required = z.string().check(z.minLength(1, text.required));
  const { first_name, last_name, phone } = profile;
  const form = useForm({
    resolver: zodResolver(z.object({ first_name: required, last_name: required, phone: z.string() })),
    // What the server has, also when that changes elsewhere; what is being edited stays.
    values: { first_name, last_name, phone },
    resetOptions: { keepDirtyValues: true },
    shouldFocusError: false,
    reValidateMode: "onSubmit",
  });
  const { errors, isDirty, dirtyFields } = form.formState;
  const save = useMutation({
    mutationFn: (change: ProfileUpdate) => client.profile.update(change),
    onSuccess(saved) {
      queries.setQueryData(profileQuery.queryKey, saved);
      void queries.invalidateQueries({ queryKey: ["events"] });
      form.reset({ first_name: saved.first_name, last_name: saved.last_name, phone: saved.phone });
      toast(text.saved);
    },
    onError: (error) => setProblems(applyServerErrors(form, names, error, text, "profile")),
  });

  const submit = form.handleSubmit(
    (input) => {
      setProblems([]);
      const changed = Object.fromEntries(names.filter((n) => dirtyFields[n]).map((n) => [n, input[n]]));
      if (Object.keys(changed).length === 0) toast(text.saved);
      else save.mutate(changed);
    },
    () =>
      setProblems(
        ownProblems(form, names, "profile", {
          first_name: text.firstName,
          last_name: text.lastName,
          phone: text.phone,
        }),
      ),
  );

  const blocker = useBlocker(({ currentLocation, nextLocation }) => {
    const signedIn = client.state.status === "signedIn"; // a session that has ended asks nothing
    return isDirty && signedIn && currentLocation.pathname !== nextLocation.pathname;
  });
  useEffect(() => {
    if (!isDirty) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isDirty]);

  return (
    <>
      <p className="text-soft">{text.profileIntro}</p>
      <Summary title={text.summary(problems.length)} problems={problems} />
      <form noValidate onSubmit={(event) => void submit(event)} className="space-y-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field
            {...form.register("first_name")}
            id="profile-first_name"
            label={text.firstName}
            autoComplete="given-name"
            errors={sentences(errors.first_name)}
          />
          <Field
            {...form.register("last_name")}
            id="profile-last_name"
            label={text.lastName}
            autoComplete="family-name"
            errors={sentences(errors.last_name)}
          />
        </div>
        <Field
          {...form.register("phone")}
          id="profile-phone"
          label={text.phone}
          note={text.optional}
          type="tel"
          autoComplete="tel"
          errors={sentences(errors.phone)}
        />
        <div className="flex flex-wrap gap-3">
          <Button type="submit" kind="primary" waiting={save.isPending && text.waiting}>
            {text.save}
          </Button>
          {isDirty && (
            <Button
              onClick={() => {
                form.reset({ first_name, last_name, phone });
                setProblems([]);
              }}
            >
              {text.discard}
            </Button>
          )}
        </div>
      </form>
      <section aria-labelledby="fixed" className="border-t border-line pt-5">
        <h2 id="fixed" className="mb-3 text-base font-medium">
          {text.readOnly}
        </h2>
        <dl className="grid gap-x-6 gap-y-3 sm:grid-cols-[auto_1fr]">
          <dt className="text-soft">{text.email}</dt>
          <dd className="break-all">{profile.email}</dd>
          <dt className="text-soft">{text.role}</dt>
          <dd>
            <RoleBadge role={profile.role} />
          </dd>
          <dt className="text-soft">{text.memberSince}</dt>
          <dd>
            <Day time={profile.created_at} language={language} />
          </dd>
          <dt className="text-soft">{text.changedAt}</dt>
          <dd>
            <Ago time={profile.updated_at} language={language} />
          </dd>
        </dl>
      </section>
      <Confirm
        open={blocker.state === "blocked"}
        onOpenChange={(open) => {
          if (!open) blocker.reset?.();
        }}
        title={text.leaveTitle}
        action={text.leave}
        cancel={text.stay}
        onConfirm={() => blocker.proceed?.()}
      >
        {text.leaveBody}
      </Confirm>
    </>
  );
}
