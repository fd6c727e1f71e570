from fewshot.classifiers.linear_probe import LinearProbeClassifier
import time, cProfile, pstats
def test_a2(tiny_encoder, multi):
    from threadpoolctl import threadpool_limits, threadpool_info
    print([(i["internal_api"],i["num_threads"],i["filepath"][-60:]) for i in threadpool_info()])
    for api in ("blas","openmp",None):
        for i in range(2):
            t=time.time()
            with threadpool_limits(1 if api else None, user_api=api): LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels)
            print(api, time.time()-t)

def xtest_a(tiny_encoder, tiny_model, single, multi, tiny_static, toy_encoder):
    X = tiny_encoder.encode(multi.texts)
    print((X@X.T)[:5,:5].round(2))
    for i in range(3):
        t=time.time()
        c = LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels); print(time.time()-t)
    p=cProfile.Profile(); p.enable(); LinearProbeClassifier(encoder=tiny_encoder).fit(multi.texts, multi.labels); p.disable()
    pstats.Stats(p).sort_stats("tottime").print_stats(12)
