package interop;

import com.alibaba.fastjson.JSONObject;

interface Snippet {
    Object run(JSONObject args) throws Exception;
}
